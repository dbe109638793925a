/** Colours of the tokens as a canvas wants them, in the theme of the moment. */
export interface ChartColors {
  text: string;
  line: string;
  surface: string;
  warning: string;
  noData: string;
  /** Of a token: `data-1`, `wait-cpu`. */
  token: (name: string, opacity?: number) => string;
}

export function chartColors(): ChartColors {
  const known = new Map<string, string>();
  const read = (name: string): string => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const probe = document.createElement('span');
    probe.hidden = true;
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    known.set(name, color);
    return color;
  };
  const colors = {
    text: read('text-3'),
    line: read('line'),
    surface: read('surface'),
    warning: read('warning'),
    noData: read('no-data'),
  };
  return {
    ...colors,
    token: (name, opacity = 1) => {
      const color = read(name);
      return opacity === 1 ? color : color.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
    },
  };
}
