import { useCallback, useLayoutEffect, useState, type RefObject } from 'react';
import { flushSync } from 'react-dom';

/** Up to this many rows all are drawn. */
const ALL_UP_TO = 100;
/** Rows drawn beyond each edge, so that scrolling meets no blank ones. */
const AROUND = 12;

interface InSight {
  /** The first and the last row to draw. */
  first: number;
  last: number;
  /** Scrolls no further than it takes to see a row. */
  reveal: (row: number) => void;
}

/** Which rows of a scrolling box are in sight. All are of one height, and so is the header that covers the first. */
export function useInSight(box: RefObject<HTMLElement | null>, count: number, height: number): InSight {
  const [{ first, last }, setSeen] = useState({ first: 0, last: ALL_UP_TO });
  const all = count <= ALL_UP_TO;
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || all) return;
    const look = () => {
      const top = Math.floor(element.scrollTop / height) - AROUND;
      const bottom = Math.ceil((element.scrollTop + element.clientHeight) / height) + AROUND;
      setSeen((old) => (old.first === top && old.last === bottom ? old : { first: top, last: bottom }));
    };
    // Drawn with the scrolling itself: a frame later there would be blank rows.
    const scrolled = () => flushSync(look);
    const resized = new ResizeObserver(look);
    look();
    resized.observe(element);
    element.addEventListener('scroll', scrolled, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener('scroll', scrolled);
    };
  }, [box, all, height]);
  const reveal = useCallback(
    (row: number) => {
      const element = box.current;
      if (element === null) return;
      const [top, bottom] = [row * height, (row + 2) * height - element.clientHeight];
      element.scrollTop = Math.max(Math.min(element.scrollTop, top), bottom);
    },
    [box, height],
  );
  if (all) return { first: 0, last: count - 1, reveal };
  // A list that became shorter ends above what was in sight.
  const end = Math.min(last, count - 1);
  return { first: Math.max(0, Math.min(first, end)), last: end, reveal };
}
