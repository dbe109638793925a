import { useEffect, useRef, useState } from 'react';
import { Foreign } from '../format/Foreign';
import styles from './HintLayer.module.css';

interface Shown {
  text: string;
  left: number;
  top: number;
  above: boolean;
}

const WIDTH = 320;

/** What shows the hint of the figure in it, wherever in it the reader points. */
const AREA = 'td, dd, [data-hint-area]';

function hinted(event: Event): HTMLElement | null {
  if (!(event.target instanceof Element)) return null;
  const own = event.target.closest<HTMLElement>('[data-hint]');
  return own ?? event.target.closest(AREA)?.querySelector<HTMLElement>('[data-hint]') ?? null;
}

function placed(element: HTMLElement): Shown | null {
  const text = element.dataset['hint'];
  if (text === undefined || text === '') return null;
  const box = element.getBoundingClientRect();
  const above = box.bottom > window.innerHeight - 140;
  return {
    text,
    left: Math.max(8, Math.min(box.left, window.innerWidth - WIDTH - 8)),
    top: above ? box.top - 6 : box.bottom + 6,
    above,
  };
}

/** Shows the `data-hint` of whatever is hovered or focused; Esc hides it. One layer, so nothing clips it. */
export function HintLayer() {
  const [shown, setShown] = useState<Shown | null>(null);
  const current = useRef<HTMLElement | null>(null);

  useEffect(() => {
    const show = (event: Event) => {
      const element = hinted(event);
      if (element === current.current) return;
      current.current = element;
      setShown(element === null ? null : placed(element));
    };
    const hide = () => {
      current.current = null;
      setShown(null);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') hide();
    };
    document.addEventListener('pointerover', show);
    document.addEventListener('focusin', show);
    document.addEventListener('focusout', hide);
    document.addEventListener('pointerdown', hide);
    document.addEventListener('keydown', escape);
    document.addEventListener('scroll', hide, true);
    return () => {
      document.removeEventListener('pointerover', show);
      document.removeEventListener('focusin', show);
      document.removeEventListener('focusout', hide);
      document.removeEventListener('pointerdown', hide);
      document.removeEventListener('keydown', escape);
      document.removeEventListener('scroll', hide, true);
    };
  }, []);

  if (shown === null) return null;
  return (
    <div
      role="tooltip"
      className={styles.hint}
      data-above={shown.above}
      style={{ left: shown.left, top: shown.top, maxWidth: WIDTH }}
    >
      <Foreign text={shown.text} lines />
    </div>
  );
}
