/** Colours of the tokens as a canvas wants them, in the theme of the moment. */
export interface ChartColors {
  text: string;
  line: string;
  surface: string;
  warning: string;
  noData: string;
  data: (index: number, opacity?: number) => string;
}

export function chartColors(): ChartColors {
  const probe = document.createElement('span');
  probe.hidden = true;
  document.body.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const data = Array.from({ length: 10 }, (_, index) => read(`data-${index + 1}`));
  const colors = {
    text: read('text-3'),
    line: read('line'),
    surface: read('surface'),
    warning: read('warning'),
    noData: read('no-data'),
  };
  probe.remove();
  return {
    ...colors,
    data: (index, opacity = 1) => {
      const color = data[(index - 1) % data.length] ?? 'gray';
      return opacity === 1 ? color : color.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
    },
  };
}
