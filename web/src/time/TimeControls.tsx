import { useId, useRef, useState, type SyntheticEvent } from 'react';
import { Button } from '../shell/Button';
import { Popover } from '../shell/Popover';
import { absolute, lastWhile, PRESETS, presetLabel, rangeLabel, resolve, shifted, widened } from './range';
import { useShortcuts } from './shortcuts';
import styles from './TimeControls.module.css';
import { useChangeUrl, useRefreshSeconds, useTime } from './useTime';
import { fromWall, wall, type Zone } from './zone';

/** Range, back, forward, zoom out, live, zone: the same on every page. */
export function TimeControls() {
  const { range, zone, live } = useTime();
  const change = useChangeUrl();
  const seconds = useRefreshSeconds();
  const root = useRef<HTMLDivElement>(null);

  const resume = () => {
    change({ ...lastWhile(range.kind === 'last' ? range.text : range.last), live: undefined });
  };
  const toggleLive = () => {
    if (range.kind === 'absolute') resume();
    else change({ live: live ? 'off' : undefined }, true);
  };
  useShortcuts({
    t: () => root.current?.querySelector<HTMLButtonElement>('[data-popover="Time range"]')?.click(),
    '-': () => change(widened(range, Date.now())),
    l: toggleLive,
  });

  return (
    <div ref={root} className={styles.controls} role="group" aria-label="Time">
      <Popover label={rangeLabel(range, zone, Date.now())} title="Time range">
        {(close) => <RangeChoice key={zone} close={close} />}
      </Popover>
      <Button label="Back in time" hint="One range back" onClick={() => change(shifted(range, -1, Date.now()))}>
        ‹
      </Button>
      <Button
        label="Forward in time"
        hint={range.kind === 'last' ? 'Already at now' : 'One range forward'}
        disabled={range.kind === 'last'}
        onClick={() => change(shifted(range, 1, Date.now()))}
      >
        ›
      </Button>
      <Button label="Zoom out" hint="Twice as long ( - )" onClick={() => change(widened(range, Date.now()))}>
        −
      </Button>
      {range.kind === 'absolute' ? (
        <Button hint="Live refresh is paused while a fixed range is shown ( l )" onClick={resume}>
          Paused [Resume]
        </Button>
      ) : (
        <Button pressed={live} hint={live ? 'Click to pause ( l )' : 'Click to refresh live ( l )'} onClick={toggleLive}>
          {live ? `Live ${seconds} s` : 'Paused [Resume]'}
        </Button>
      )}
      <label className={styles.zone}>
        <span className="visually-hidden">Time zone</span>
        <select
          value={zone}
          onChange={(event) => change({ zone: event.target.value === 'utc' ? 'utc' : undefined }, true)}
        >
          <option value="browser">Local</option>
          <option value="utc">UTC</option>
        </select>
      </label>
    </div>
  );
}

function RangeChoice({ close }: { close: () => void }) {
  const { range, zone } = useTime();
  const change = useChangeUrl();
  const id = useId();
  const shown = resolve(range, Date.now());
  const [from, setFrom] = useState(() => wall(shown.start, zone));
  const [to, setTo] = useState(() => wall(shown.end, zone));
  const [problem, setProblem] = useState('');

  function submit(event: SyntheticEvent) {
    event.preventDefault();
    const start = fromWall(from, zone, Date.now());
    const end = fromWall(to, zone, Date.now());
    if (start === null || end === null) setProblem('Write 2026-11-21 10:32 or 10:32.');
    else if (end <= start) setProblem('The end must be after the start.');
    else {
      change(absolute({ start, end }, range.kind === 'last' ? range.text : range.last));
      close();
    }
  }

  return (
    <div className={styles.choice}>
      <ul className={styles.presets} aria-label="Last">
        {PRESETS.map((preset) => (
          <li key={preset}>
            <Button
              pressed={range.kind === 'last' && range.text === preset}
              onClick={() => {
                change(lastWhile(preset));
                close();
              }}
            >
              {presetLabel(preset)}
            </Button>
          </li>
        ))}
      </ul>
      <form className={styles.absolute} onSubmit={submit}>
        <label htmlFor={`${id}-from`}>From</label>
        <input id={`${id}-from`} value={from} onChange={(event) => setFrom(event.target.value)} />
        <label htmlFor={`${id}-to`}>To</label>
        <input id={`${id}-to`} value={to} onChange={(event) => setTo(event.target.value)} aria-describedby={`${id}-p`} />
        <p id={`${id}-p`} role="alert">
          {problem}
        </p>
        <button type="submit" className={styles.apply}>
          Show this range ({zoneName(zone)})
        </button>
      </form>
    </div>
  );
}

function zoneName(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
}
