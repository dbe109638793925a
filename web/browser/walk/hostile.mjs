// The answers of the API as a hostile database would make them: names that turn the direction of writing, figures as
// long as they come. Nothing of it may act on the page, and nothing be cut.

/** Turns the direction, rings, and is written from right to left. */
const HOSTILE = '\u202e\u2066\u0007شركة';
/** Strings that PostgreSQL, or whoever writes to it, made up. */
const FOREIGN =
  /^(name|root_name|schemas?|databases?|table|columns|query|users?|application_name|slot_name|plugin|who|object|gid|setting|boot_val|short_desc|host|hostname|sender_host|client_addr|duplicate_of|needed_for|message|fix|reasons|error)$/;
/** Figures of the page, not of its working. */
const LONG = [
  [/^(?!position).*_bytes$|^retained|^safe_wal_size/, 1023 * 2 ** 30],
  [/^(?!step_|covered_|growth_|data_age|last_reading|interval_).+_ms$/, 35_760_000],
  [/_per_s$|^tps$/, 9_999],
  [/^(calls|rows|.*_rows|scans|sessions|connections|blocks|deadlocks)$/, 999_400],
  [/^(xid_age|mxid_age|age|to_stop|to_forced_vacuum|xmin_age)$/, 1_994_000_000],
];

function made(value, key) {
  if (Array.isArray(value)) return value.map((one) => made(one, key));
  if (typeof value === 'string') return FOREIGN.test(key) ? value + HOSTILE : value;
  if (typeof value === 'number') return LONG.find(([pattern]) => pattern.test(key))?.[1] ?? value;
  if (typeof value === 'boolean') return key === 'size_is_estimate' ? true : value;
  if (value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, made(one, name)]));
}

/** Where a character that is not seen still is one, in what is shown, pointed at or read out. */
function acting(page) {
  return page.evaluate(() => {
    const unseen = /[\u0007\u202e\u2066]/;
    const found = [];
    for (const element of [document.documentElement, ...document.querySelectorAll('body *')]) {
      for (const { name, value } of element.attributes) {
        // Hints are made visible where they are shown; links lead to what they name.
        if (unseen.test(value) && !['data-hint', 'href'].includes(name)) found.push(`${name} of ${element.tagName}: ${value}`);
      }
      for (const node of element.childNodes) {
        if (node.nodeType !== Node.TEXT_NODE) continue;
        if (unseen.test(node.data)) found.push(`text of ${element.tagName}: ${node.data}`);
        if (/شركة/.test(node.data) && element.tagName !== 'BDI') found.push(`not kept apart in ${element.tagName}: ${node.data}`);
      }
    }
    if (unseen.test(document.title)) found.push(`the title: ${document.title}`);
    return found.slice(0, 5);
  });
}

export async function walkHostile(page, { base, must, say, settled, inspect, rows, tabs }) {
  const overview = new URL(page.url()).pathname.replace(/^(\/instances\/\d+\/).*/, '$1overview');
  const turn = async (route) => {
    const response = await route.fetch();
    const { responses, ...rest } = await response.json();
    const answers = responses.map((one) => ({ ...one, body: made(one.body, '') }));
    await route.fulfill({ response, json: { ...rest, responses: answers } });
  };
  await page.route('**/api/v1/batch', turn);
  const look = async (name) => {
    await settled(page);
    await page.getByText('U+202E').first().waitFor();
    const bad = await acting(page);
    must(bad.length === 0, `on ${name} foreign text acts: ${bad.join(' | ')}`);
    await inspect(page, `hostile-${name}`);
  };
  await page.goto(`${base}/`);
  await rows(page, 'Instances').first().waitFor();
  await look('fleet');
  for (const tab of tabs) {
    await page.goto(`${base}${overview.replace('overview', tab.toLowerCase())}`);
    await look(tab.toLowerCase());
    if (tab === 'Queries') {
      const link = rows(page, 'Queries').first().locator('a').first();
      await link.hover();
      await page.getByRole('tooltip').getByText('U+202E').first().waitFor();
      await link.click();
      await page.waitForURL(/\/queries\/-?\d+/);
      await look('query');
    }
  }
  // What is still being answered is answered by us.
  await page.unrouteAll({ behavior: 'wait' });
  say('names that turn the direction of writing act on no page, and no figure is cut however long it is');
}
