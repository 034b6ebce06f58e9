/*
 * One view: what its honest proposers list, and whether a certificate comes of it (R-CP-3).
 *
 * C certifiers, of whom the last one lies as it likes. Each honest one holds each of R rows (attestations near the
 * bounds of R-EPOCH-3) as one that must be listed, may be listed, or came too late. Every mixture of "must" and "may"
 * is tried, and every one of "may" and "late"; never "must" at one and "late" at another, which the distance of the two
 * bounds is for. One more row, FRESH, stands for the rows without end that the liar keeps back: late for all honest
 * ones, and another one whenever the liar wants another.
 *
 * -DROWS_ONE_BY_ONE   each row is listed or not by what was said of it alone
 * -DNOBODY_GIVEN_UP   the proposer changes its base by all that was said, also by those who contradict each other
 * -DONE_VOTE          a certifier votes once in a view
 */
#ifndef C
#define C 4
#endif
#ifndef R
#define R 3
#endif
#ifndef PAYLOADS
#define PAYLOADS 5 /* 16 in R-CP-3, where there are more rows near the bounds too */
#endif
#define LIAR (C - 1)
#define FRESH R
#define BIT(i) (1 << (i))
#define ALL (BIT(R + 1) - 1)
#define MAY(i) (ALL & ~(must[i] | late[i]))
#define ENOUGH(votes) (3 * (votes) > 2 * C)
#define IS_THIRD(count) (!ENOUGH(C - (count)))
#define ACCEPTS(i) ((must[i] & ~list) == 0 && (late[i] & list) == 0)

/* Sets of rows. */
byte must[LIAR], late[LIAR]; /* how each honest certifier holds the rows */
byte misses[C], refuses[C];  /* what each told the present proposer, in all its answers */
byte base, list, before;            /* what the proposer lists by itself, and the payload */
byte settled;                /* rows of which a third of the certifiers say the one thing, and fewer the other */
/* Sets of certifiers. */
byte voted, voters, set_aside, outspoken;

byte proposer, payload, answers, votes, objections;
byte i, r, best, missing, refusing;
short best_margin, kind, kind_before;
bool certified, is_doubtful, is_silent;

/* Counters left as they are would only make more states. */
inline tidy() {
  i = 0; r = 0; best = 0; missing = 0; refusing = 0; best_margin = 0; kind = 0; kind_before = 0;
  objections = 0; votes = 0; before = 0; is_doubtful = 0; settled = 0; set_aside = 0
}

inline hold_rows() {
  for (r : 0 .. R - 1) {
    if
    :: for (i : 0 .. LIAR - 1) { if :: must[i] = must[i] | BIT(r) :: skip fi }
    :: for (i : 0 .. LIAR - 1) { if :: late[i] = late[i] | BIT(r) :: skip fi }
    fi;
    /* Rows are alike: one order of them is enough. */
    kind = 0;
    for (i : 0 .. LIAR - 1) { kind = 3 * kind + ((must[i] >> r) & 1) + 2 * ((late[i] >> r) & 1) }
    if :: kind < kind_before -> goto end :: else -> kind_before = kind fi
  }
  for (i : 0 .. LIAR - 1) { late[i] = late[i] | BIT(FRESH) }
}

/* How many of those not set aside miss row r, and how many refuse it. */
inline weigh() {
  missing = 0; refusing = 0;
  for (i : 0 .. C - 1) {
    if
    :: set_aside & BIT(i)
    :: else -> missing = missing + ((misses[i] >> r) & 1); refusing = refusing + ((refuses[i] >> r) & 1)
    fi
  }
}

inline list_rows_one_by_one() {
  list = 0;
  for (r : 0 .. R) {
    weigh();
    if
    :: (must[proposer] & BIT(r)) && refusing <= missing + C / 3 -> list = list | BIT(r)
    :: (MAY(proposer) & BIT(r)) && refusing <= missing -> list = list | BIT(r)
    :: (late[proposer] & BIT(r)) && missing > refusing -> list = list | BIT(r)
    :: else
    fi
  }
}

/* What a third insist on is done, for nothing is certified without them. Those who say the opposite are given up. */
inline settle() {
  for (r : 0 .. R) {
    weigh();
    if
    :: (must[proposer] & BIT(r)) || IS_THIRD(missing) == IS_THIRD(refusing)
    :: else ->
       settled = settled | BIT(r);
       if :: IS_THIRD(missing) -> list = list | BIT(r) :: else -> list = list & ~BIT(r) fi
    fi
  }
  for (i : 0 .. C - 1) {
    if :: settled & ((misses[i] & ~list) | (refuses[i] & list)) -> set_aside = set_aside | BIT(i) :: else fi
  }
}

/* Certifiers that no payload of this proposer can win. */
inline set_some_aside() {
  if :: is_silent -> set_aside = set_aside | BIT(LIAR) :: else fi;
  for (i : 0 .. C - 1) {
    if
    :: (refuses[i] & must[proposer]) || (outspoken & BIT(i)) -> set_aside = set_aside | BIT(i)
    :: else
    fi
  }
}

inline count_objections() {
  objections = (list & late[proposer] -> 1 : 0);
  for (i : 0 .. C - 1) {
    if
    :: (set_aside & BIT(i)) || (misses[i] & ~list) || (refuses[i] & list) -> objections++
    :: else
    fi
  }
}

/* Two certifiers are at odds if one misses what the other calls late. Honest ones never are. */
#define ARE_AT_ODDS(a, b) (((misses[a] & refuses[b]) | (misses[b] & refuses[a])) & ~(must[proposer] | settled))

/* Gives up the one that is at odds with most others, until no two are. */
inline give_up_certifiers() {
  do
  :: best_margin = 0;
     for (i : 0 .. C - 1) {
       kind = 0;
       for (r : 0 .. C - 1) {
         if
         :: i != proposer && r != proposer && !(set_aside & (BIT(i) | BIT(r))) && ARE_AT_ODDS(i, r) -> kind++
         :: else
         fi
       }
       if :: kind > best_margin -> best = i; best_margin = kind :: else fi
     }
     if :: best_margin > 0 -> set_aside = set_aside | BIT(best) :: else -> break fi
  od
}

/* The most wanted change first, as long as more speak for it than against it. */
inline change_base() {
#ifndef NOBODY_GIVEN_UP
  give_up_certifiers();
#endif
  do
  :: count_objections();
     if :: ENOUGH(C - objections) -> break :: else fi;
     best_margin = 0;
     for (r : 0 .. R) {
       weigh();
       if
       :: ((must[proposer] | settled | (list ^ base)) & BIT(r))
       :: else ->
          kind = (base & BIT(r) -> refusing - missing : missing - refusing);
          if :: kind > best_margin -> best = r; best_margin = kind :: else fi
       fi
     }
     if :: best_margin > 0 -> list = list ^ BIT(best) :: else -> break fi
  od
}

/* Called late by a sixth, or settled as left out. */
inline find_doubtful() {
  is_doubtful = false;
  for (r : 0 .. R) {
    weigh();
    if
    :: (MAY(proposer) & BIT(r)) && (6 * refusing >= C || (settled & ~list & BIT(r))) -> is_doubtful = true
    :: else
    fi
  }
}

inline list_rows() {
  base = ALL & ~late[proposer];
  list = base;
  settle();
  set_some_aside();
  find_doubtful();
  count_objections();
  if
  :: payload < PAYLOADS && ENOUGH(C - objections) && !is_doubtful -> skip
  :: else ->
     before = list;
     leave_out_disputed();
     count_objections();
     if
     :: payload == PAYLOADS || ENOUGH(C - objections) -> skip
     :: else -> list = before; change_base()
     fi
  fi
}

inline leave_out_disputed() {
  for (i : 0 .. C - 1) {
    if :: set_aside & BIT(i) :: else -> list = list & (must[proposer] | settled | ~refuses[i]) fi
  }
}

/* What honest certifiers answer, the proposer among them. */
inline ask() {
  voters = 0;
  for (i : 0 .. LIAR - 1) {
    if
    :: ACCEPTS(i) && !(voted & BIT(i)) -> voters = voters | BIT(i)
    :: else -> misses[i] = misses[i] | (must[i] & ~list); refuses[i] = refuses[i] | (late[i] & list)
    fi
  }
#ifdef ONE_VOTE
  voted = voted | voters;
#endif
}

/* The liar votes, is silent, or says anything of any row. */
inline lie() {
  if
  :: voters = voters | BIT(LIAR)
  :: is_silent = true
  :: is_silent = false;
     if :: answers < 3 -> answers++ :: else fi;
     for (r : 0 .. R - 1) {
       if
       :: skip
       :: (list & BIT(r)) && !(refuses[LIAR] & BIT(r)) -> refuses[LIAR] = refuses[LIAR] | BIT(r); speak_out(base)
       :: !(list & BIT(r)) && !(misses[LIAR] & BIT(r)) -> misses[LIAR] = misses[LIAR] | BIT(r); speak_out(~base)
       fi
     };
     if
     :: skip
     :: for (i : 0 .. C - 1) { refuses[i] = refuses[i] & ~BIT(FRESH) }; /* another row that was kept back */
        misses[LIAR] = misses[LIAR] | BIT(FRESH);
        r = FRESH;
        speak_out(~base)
     fi
  fi
}

/* Against the base a certifier is heard in its first two answers only. */
inline speak_out(against) {
  if :: answers > 2 && (against & BIT(r)) -> outspoken = outspoken | BIT(LIAR) :: else fi
}

inline count_votes() {
  for (i : 0 .. C - 1) { votes = votes + ((voters >> i) & 1) }
  if /* it has all that it wanted, and does not vote */
  :: !(voters & BIT(LIAR)) && !(misses[LIAR] & ~list) && !(refuses[LIAR] & list) -> outspoken = BIT(LIAR)
  :: else
  fi;
  if :: ENOUGH(votes) -> certified = true :: else fi
}

inline forget() {
  payload = 0; answers = 0; is_silent = false; outspoken = 0; base = 0;
  for (i : 0 .. C - 1) { misses[i] = 0; refuses[i] = 0 }
}

active proctype view() {
  atomic { hold_rows(); tidy() }
#ifdef ONE_VOTE
  /* The liar proposed first, and sent each honest one what that one votes for, or not. */
  for (i : 0 .. LIAR - 1) { if :: voted = voted | BIT(i) :: skip fi }
#endif
  for (proposer : 0 .. LIAR - 1) {
    do
    :: payload < PAYLOADS && !certified ->
       d_step {
         payload++;
#ifdef ROWS_ONE_BY_ONE
         list_rows_one_by_one();
#else
         list_rows();
#endif
         ask();
         tidy()
       }
       atomic { lie(); tidy() }
       d_step { count_votes(); tidy() }
    :: else -> break
    od;
    skip;
    d_step { forget(); tidy() }
  }
  assert(certified);
end:
}
