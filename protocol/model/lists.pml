/*
 * Who certifies: lists that anchored checkpoints hand on, and pending weeks (R-CP-2, R-CP-3 d, R-CP-6).
 *
 * Week after week, without end, seats leave, change keys, come back, lie or are down as they like. A seat that left or
 * changed its key has lost the key that older lists have of it. A week is anchored if more than two thirds of its list
 * are honest and up; if fewer are, it may be anchored or not. Whatever happened before: once a week's own seniors are
 * enough and more than two thirds of them honest and up, and it stays so, at most two more weeks stay pending.
 *
 * A week may have an equivocator whose proof all certifiers hold. A payload must list it (R-CP-3 d), also when a later
 * week lists this one.
 *
 * -DKEYS_KEPT             everybody is honest and up, and votes on with the keys of old lists: then no week may stay
 *                         pending whose own seniors are enough
 *
 * -DNO_WAY_OUT            a week takes over the list of the last anchored checkpoint however long ago that was
 * -DNO_CARRYING_ON        a list of fewer than MIN_SENIORS is handed on all the same
 * -DSNAPSHOTS_FORGOTTEN   a proof of an earlier week cannot be read, and the page with it is taken for a wrong one
 */
#ifndef SEATS
#define SEATS 4
#endif
#ifndef MIN_SENIORS
#define MIN_SENIORS 3
#endif
#ifdef NO_WAY_OUT
#define IS_WAY_OUT false
#else
#define IS_WAY_OUT (between > MOST_BETWEEN)
#endif
#ifdef SNAPSHOTS_FORGOTTEN
#define MAY_VOTE (proof != 2) /* without the proof it lacks something, with it "equivocation-unknown-seat" */
#else
#define MAY_VOTE true
#endif
#ifdef NO_CARRYING_ON
#define IS_CARELESS true
#else
#define IS_CARELESS false
#endif
#define MOST_BETWEEN 1 /* weeks between, with which a list is still taken over */
#ifdef KEYS_KEPT
#define ARE_KEPT true
#else
#define ARE_KEPT false
#endif
#ifndef MOST_PENDING
#define MOST_PENDING (ARE_KEPT -> 0 : 2)
#endif
#define BIT(i) (1 << (i))
#define TWO_THIRDS(part, whole) (3 * (part) > 2 * (whole))

/* Sets of seats. */
byte own;                 /* this week's own seniors */
byte list, list_keys;     /* what its certifiers are drawn from; those of it that still have their keys there */
byte handed, handed_keys; /* the same of the list that the last anchored checkpoint hands on; 0 before there is one */
byte up;                  /* honest and up through this week */

byte between;             /* weeks between the last anchored one and this one; stops at MOST_BETWEEN + 1 */
byte pending_while_good;
byte proof;               /* 1: of this week, 2: of an earlier one that is still pending, 0: none */
bool is_anchored;
byte i, part, whole;

inline compare(some, all) {
  part = 0; whole = 0;
  for (i : 0 .. SEATS - 1) {
    part = part + (((some) & (all)) >> i & 1);
    whole = whole + ((all) >> i & 1)
  }
}

inline churn() {
  up = 0;
  for (i : 0 .. SEATS - 1) {
    if
    :: skip
    :: own & BIT(i) -> /* left, or has a new key, which makes no senior */
       own = own & ~BIT(i);
       if :: ARE_KEPT :: else -> handed_keys = handed_keys & ~BIT(i) fi
    :: !(own & BIT(i)) -> own = own | BIT(i) /* senior, with a key of its own */
    fi;
    if :: up = up | BIT(i) :: !ARE_KEPT fi
  }
  if :: proof == 0 -> proof = 1 :: skip fi
}

/* R-CP-2 */
inline take_list() {
  if
  :: handed == 0 || IS_WAY_OUT -> list = own; list_keys = own
  :: else -> list = handed; list_keys = handed_keys
  fi
}

inline certify() {
  compare(list_keys & up, list);
  if
  :: whole < MIN_SENIORS || !MAY_VOTE -> is_anchored = false /* no views; or no payload that honest ones accept */
  :: else ->
     if
     :: TWO_THIRDS(part, whole) -> is_anchored = true
     :: else -> if :: is_anchored = true :: is_anchored = false fi /* liars may vote as well */
     fi
  fi
}

inline hand_on() {
  compare(own, own);
  if
  :: whole >= MIN_SENIORS || IS_CARELESS -> handed = own; handed_keys = own
  :: else -> handed = list; handed_keys = list_keys
  fi
}

inline count_pending() {
  compare(up, own);
  if
  :: whole >= MIN_SENIORS && TWO_THIRDS(part, whole) && !is_anchored -> pending_while_good++
  :: else -> pending_while_good = 0
  fi
}

active proctype weeks() {
  do
  :: atomic {
       churn();
       take_list();
       certify();
       count_pending();
       assert(pending_while_good <= MOST_PENDING);
       if
       :: is_anchored -> hand_on(); between = 0; proof = 0
       :: else ->
          if :: between <= MOST_BETWEEN -> between++ :: else fi;
          if :: proof == 1 -> proof = 2 :: else fi
       fi;
       /* What the next week does not read would only make more states. */
       up = 0; list = 0; list_keys = 0; is_anchored = false; i = 0; part = 0; whole = 0
     }
  od
}
