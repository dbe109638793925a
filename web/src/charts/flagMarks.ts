/** Draws flagged intervals behind the series: hatched, with a tick where something happened at once. */
import type uPlot from 'uplot';
import type { FlaggedInterval } from '../api/model';
import type { ChartColors } from './colors';

/** Distance of the hatching's strokes, in CSS pixels. */
const PITCH = 6;
/** Narrower than this nobody would see it. */
const NARROWEST = 3;

function hatching(color: string, ratio: number): CanvasPattern | null {
  const tile = document.createElement('canvas');
  const size = Math.round(PITCH * ratio);
  tile.width = size;
  tile.height = size;
  const context = tile.getContext('2d');
  if (context === null) return null;
  context.strokeStyle = color;
  context.lineWidth = ratio;
  context.beginPath();
  for (const offset of [-size, 0, size]) {
    context.moveTo(offset, size);
    context.lineTo(offset + size, 0);
  }
  context.stroke();
  return context.createPattern(tile, 'repeat');
}

export function drawFlags(plot: uPlot, flags: FlaggedInterval[], colors: ChartColors): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const flag of flags) {
    const color = flag.reason === 'gap' ? colors.noData : colors.warning;
    const right = plot.valToPos(Date.parse(flag.end) / 1000, 'x', true);
    const left = Math.min(plot.valToPos(Date.parse(flag.start) / 1000, 'x', true), right - NARROWEST * ratio);
    ctx.globalAlpha = 0.45;
    ctx.fillStyle = hatching(color, ratio) ?? color;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    if (flag.reason !== 'gap' && flag.reason !== 'evicted' && flag.reason !== 'late') {
      ctx.globalAlpha = 1;
      ctx.fillStyle = color;
      ctx.fillRect(right - ratio, bbox.top, ratio, bbox.height);
      ctx.beginPath();
      ctx.moveTo(right - 5 * ratio, bbox.top);
      ctx.lineTo(right + 4 * ratio, bbox.top);
      ctx.lineTo(right, bbox.top + 6 * ratio);
      ctx.fill();
    }
  }
  ctx.restore();
}
