// Ranges of the past: one that nobody watched, one that is still to come. No figure of now is in them.

const HOUR_MS = 3_600_000;

/** `start` and `end` as the URL has them, so many hours from now. */
function hours(from, to) {
  const iso = (hour) => new Date(Math.floor((Date.now() + hour * HOUR_MS) / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return `start=${iso(from)}&end=${iso(to)}`;
}

const heading = (page) => page.locator('h1').innerText();
/** Figures of PostgreSQL; the last is of the collector itself. */
export const figuresOf = async (page) => (await page.locator('[aria-label=Figures] dd').allInnerTexts()).slice(0, -1).map((text) => text.split('\n')[0]);

export async function walkMoments(page, { base, must, say, settled, inspect, rows, tabs }) {
  const overview = new URL(page.url()).pathname.replace(/^(\/instances\/\d+\/).*/, '$1overview');
  for (const tab of tabs) {
    await page.goto(`${base}${overview.replace('overview', tab.toLowerCase())}?${hours(-48, -47)}`);
    await settled(page);
    await page.getByText(/^Not watched at .*: the first reading is of .*\.$/).waitFor();
    const badge = await page.locator('main').innerText();
    must(!/Healthy|Warning|Critical/.test(badge), `${tab} of a range that nobody watched tells of a state: ${badge.slice(0, 300)}`);
  }
  await page.goto(`${base}${overview}?${hours(-48, -47)}`);
  await settled(page);
  const figures = await figuresOf(page);
  must((await heading(page)) === 'Not watched' && figures.every((figure) => figure === '–'), `a range that nobody watched has figures: ${figures.join(' | ')}`);
  await inspect(page, 'never-watched');
  await page.goto(`${base}/?${hours(-48, -47)}`);
  await settled(page);
  await rows(page, 'Instances').first().waitFor();
  must(/without data$/.test(await heading(page)), `the fleet of a range that nobody watched: ${await heading(page)}`);
  await page.goto(`${base}${overview}?${hours(24, 25)}`);
  await page.getByText(/^This range begins at .*, which is still to come\.$/).waitFor();
  must((await heading(page)) === 'Nothing yet', `a range that is still to come: ${await heading(page)}`);
  await page.goto(`${base}${overview}`);
  await settled(page);
  say('a range that nobody watched and one that is still to come have no figures, and say so');
}
