import type { Series } from '../api/model';

const WIDTH = 80;
const HEIGHT = 18;

/** Steps over the grid, from zero; a gap is a gap. */
export function steps(values: Series, width: number, height: number): string {
  const highest = values.reduce<number>((max, value) => Math.max(max, value ?? 0), 0);
  if (values.length === 0) return '';
  const step = width / values.length;
  const y = (value: number): number => (highest === 0 ? height : height - (value / highest) * height);
  let path = '';
  let drawing = false;
  values.forEach((value, index) => {
    if (value === null) {
      drawing = false;
      return;
    }
    path += `${drawing ? 'V' : `M${(index * step).toFixed(1)} `}${y(value).toFixed(1)}H${((index + 1) * step).toFixed(1)}`;
    drawing = true;
  });
  return path;
}

/** Decoration beside the figures that say the same; the row's chart is one click away. */
export function Sparkline({ values }: { values: Series | null | undefined }) {
  const path = values === null || values === undefined ? '' : steps(values, WIDTH - 2, HEIGHT - 3);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`-1 -1.5 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={path} fill="none" stroke="var(--data-1)" strokeWidth="1.25" strokeLinejoin="round" />
    </svg>
  );
}
