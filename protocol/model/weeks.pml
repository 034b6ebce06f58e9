/*
 * The chain orders certificates: anchors, their windows, and weeks listed by later weeks (R-CP-1, R-CP-4 to R-CP-6).
 *
 * WEEKS weeks freeze at blocks DISTANCE apart. For each week and view there are certificates of two payloads:
 * certifiers may vote for several, so two thirds of them may sign two. Blocks hold any anchors in any order, early and
 * late, up to ANCHORS_PER_BLOCK each. Every payload lists the weeks that the chain says, because more than a third of
 * the certifiers of a view check that (R-CP-3 a). Whatever is posted, only one anchor fixes a week.
 *
 * -DWINDOW_PAST_NEXT   the window does not end with block F of the next week
 * -DLISTED_BEFORE_F    a week is listed unless an anchor before block F fixes it: one in block F itself is missed
 * -DLAST_COUNTS        a later anchor of a week replaces the first
 */
#ifndef WEEKS
#define WEEKS 4
#endif
#ifndef DISTANCE
#define DISTANCE 4
#endif
#ifndef ANCHOR_BLOCKS
#define ANCHOR_BLOCKS 3
#endif
#ifndef ANCHORS_PER_BLOCK
#define ANCHORS_PER_BLOCK 2
#endif
#define CONFIRMATIONS 1
#define VIEW_BLOCKS 2
#define LAST_VIEW (ANCHOR_BLOCKS / VIEW_BLOCKS)
#define F(w) ((w) * DISTANCE)
#define OPENING(w, v) (F(w) + CONFIRMATIONS + (v) * VIEW_BLOCKS)
#define LAST_BLOCK (F(WEEKS - 1) + ANCHOR_BLOCKS)
#define BIT(i) (1 << (i))
#define IS_FIXED(w) (fixed[w] != 0)
#ifdef LAST_COUNTS
#define COUNTS(w) true
#else
#define COUNTS(w) !IS_FIXED(w)
#endif

byte height;
byte lists[WEEKS]; /* which weeks the checkpoint of each week lists, itself included */
byte fixed[WEEKS]; /* the anchor that fixes each week; 0 if none does */
byte week, view, payload, end, w, n;

inline end_of_window() {
  end = F(week) + ANCHOR_BLOCKS;
#ifndef WINDOW_PAST_NEXT
  if :: week < WEEKS - 1 && F(week + 1) < end -> end = F(week + 1) :: else fi
#endif
}

/* R-CP-5: valid in its window, and the first valid one counts. */
inline read_anchor() {
  end_of_window();
  if
  :: height >= OPENING(week, view) && height <= end && COUNTS(week) ->
     for (w : 0 .. WEEKS - 1) {
       if
       :: lists[week] & BIT(w) ->
          assert(!IS_FIXED(w)); /* no two sets for a week */
          fixed[w] = 1 + (week * (LAST_VIEW + 1) + view) * 2 + payload
       :: else
       fi
     }
  :: else
  fi
}

/* R-CP-1: block F of a week decides which earlier weeks its checkpoint lists. */
inline freeze() {
  for (w : 0 .. WEEKS - 1) {
    if
    :: height == F(w) ->
       lists[w] = BIT(w);
       for (n : 0 .. w) { if :: n < w && !IS_FIXED(n) -> lists[w] = lists[w] | BIT(n) :: else fi }
    :: else
    fi
  }
}

/* Any anchors whatever: those of open windows and views, and others, which must not count. */
inline post_anchors() {
  for (n : 1 .. ANCHORS_PER_BLOCK) {
    if
    :: skip
    :: select(week : 0 .. WEEKS - 1);
       select(view : 0 .. LAST_VIEW);
       select(payload : 0 .. 1);
       if
       :: F(week) < height -> d_step { read_anchor(); w = 0 } /* votes name the hash of block F: none before it */
       :: else
       fi
    fi
  }
}

active proctype chain() {
  do
  :: height <= LAST_BLOCK ->
     atomic {
#ifdef LISTED_BEFORE_F
       freeze();
       post_anchors();
#else
       post_anchors();
       freeze();
#endif
       height++; week = 0; view = 0; payload = 0; end = 0; w = 0; n = 0
     }
  :: else -> break
  od
}
