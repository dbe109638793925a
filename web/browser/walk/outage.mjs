// The watched PostgreSQL is stopped and started again: what the pages say meanwhile, and of the gap afterwards.
import { Cluster } from '../bad-day/postgresql.mjs';
import { figuresOf } from './moments.mjs';

/** Two of the longest steps that a range of five minutes has. */
const OUTAGE_MS = 30_000;

/** Waits until a chart, shown as a table, has dashes between its values: the first after a gap takes two readings. */
async function hasGap(page, title) {
  await page.getByRole('button', { name: `Show as table: ${title}` }).click();
  const told = await page
    .waitForFunction((label) => {
      const rows = document.querySelectorAll(`[role=region][aria-label="${label}"] tbody tr`);
      const cells = Array.from(rows, (row) => row.querySelector('td').textContent);
      const first = cells.findIndex((cell) => cell !== '–');
      return first !== -1 && cells.slice(first, cells.findLastIndex((cell) => cell !== '–')).includes('–');
    }, `${title} as a table`, { timeout: 60_000 })
    .catch(() => null);
  await page.getByRole('button', { name: `Show as chart: ${title}` }).click();
  return told !== null;
}

export async function walkOutage(page, cluster, { base, must, say, settled, inspect, rows, tabs }) {
  const postgresql = new Cluster(cluster);
  const overview = new URL(page.url()).pathname.replace(/^(\/instances\/\d+\/).*/, '$1overview');
  const open = async (path, range = 'range=15m') => {
    await page.goto(`${base}${path}?${range}`);
    await settled(page);
  };
  await open(overview);
  await postgresql.stop();
  const stopped = Date.now();
  try {
    await page.waitForFunction(() => /^Down since \d\d:\d\d:\d\d$/.test(document.querySelector('h1')?.textContent ?? ''));
    const down = await page.locator('h1').innerText();
    const figures = await figuresOf(page);
    must(figures.every((figure) => figure === '–'), `figures while it is down: ${figures.join(' | ')}`);
    await inspect(page, 'down-overview');
    for (const tab of tabs) {
      await open(overview.replace('overview', tab.toLowerCase()));
      await page.getByText(/^Down since .*: .+\. The last reading of PostgreSQL is of .* before\./).waitFor();
    }
    await open('/');
    const row = rows(page, 'Instances').filter({ hasText: down });
    await row.waitFor();
    for (const column of ['load', 'tps', 'connections']) {
      const nth = await page.locator('[role=grid] thead th').evaluateAll((all, id) => all.findIndex((one) => one.dataset.column === id), column);
      const cell = (await row.locator('td').nth(nth).innerText()).split('\n')[0];
      must(cell === '–', `the fleet says ${column} ${cell} of an instance that is down`);
    }
    await inspect(page, 'down-fleet');
    say(`while PostgreSQL is stopped every page says "${down}" and why, and no figure is of before`);
    // A chart has a gap where a whole step is within the outage, wherever steps begin.
    await page.waitForFunction((until) => Date.now() >= until, stopped + OUTAGE_MS);
  } finally {
    await postgresql.start();
  }
  // So short a range has steps that are shorter than the outage.
  await open(overview, 'range=5m');
  await page.getByText(/^PostgreSQL could not be reached from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d: .+\.$/).waitFor();
  await page.waitForFunction(() => /active session/.test(document.querySelector('h1')?.textContent ?? ''));
  for (const title of ['Load', 'Transactions', 'Sessions', 'WAL']) must(await hasGap(page, title), `${title} has no gap where PostgreSQL was stopped`);
  await inspect(page, 'gap-overview');
  await open(overview.replace('overview', 'queries'), 'range=5m');
  await rows(page, 'Queries').first().locator('a').first().click();
  await page.waitForURL(/\/queries\/-?\d+/);
  await settled(page);
  await page.getByText(/^PostgreSQL could not be reached from /).waitFor();
  must(await hasGap(page, 'Calls'), 'the calls of a statement have no gap where PostgreSQL was stopped');
  await inspect(page, 'gap-query');
  say('the gap is told in a sentence, and is a gap on the charts');
}
