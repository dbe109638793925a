// Walks through the pages as a reader would, in headless Chromium, and fails on the first thing that is wrong.
// BASE_URL, USERNAME, PASSWORD say where; CHROMIUM is the browser, SCREENSHOT_DIR keeps a picture of each page. With
// PRIMARY_DIR, the primary's data directory, it is stopped for a while.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { cutFigures } from './walk/figures.mjs';
import { walkHostile } from './walk/hostile.mjs';
import { walkMoments } from './walk/moments.mjs';
import { walkOutage } from './walk/outage.mjs';
import { walkSteering } from './walk/steering.mjs';

const BASE = (process.env.BASE_URL ?? 'http://127.0.0.1:4173').replace(/\/$/, '');
const USERNAME = process.env.USERNAME ?? 'admin';
const PASSWORD = process.env.PASSWORD ?? 'fixture-password';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SHOTS = process.env.SCREENSHOT_DIR;
const PRIMARY = process.env.PRIMARY_DIR;
/** How long any one condition may take to come true. */
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 20_000);
/** How long a young instance may take until the zoomed range has figures. */
const READY_MS = Number(process.env.READY_MS ?? 180_000);
/** Short, so that an instance watched for two minutes fills it; its end is old enough to be complete. */
const ZOOMED_PRESET = '5 min';
const ZOOM = { from: 0.1, to: 0.85 };
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SERIOUS = new Set(['serious', 'critical']);

/** What the walk asks for in order to be refused, which the browser tells as an error. */
const REFUSED = /\/config\/[^/]+\?check=true$/;

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const problems = [];
const say = (text) => process.stdout.write(`${text}\n`);

function must(condition, text) {
  if (!condition) throw new Error(text);
}

/** Everything the browser itself complains about. */
function watch(page) {
  page.on('console', (message) => {
    if (message.type() === 'error' && !REFUSED.test(message.location().url)) problems.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => problems.push(`page error: ${error.stack ?? error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 500) problems.push(`${response.status()} for ${response.url()}`);
  });
  return page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
}

async function accessible(page, name) {
  // Evaluated by the debugger, so the pages' own policy may stay strict.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  for (const violation of violations.filter((one) => SERIOUS.has(one.impact))) {
    const where = violation.nodes.slice(0, 3).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`);
    problems.push(`axe on ${name}: ${violation.id}: ${violation.help}\n    ${where.join('\n    ')}`);
  }
}

async function noSideways(page, name) {
  // Charts are drawn anew after the window changes; until then they are as wide as before.
  const fits = () => document.documentElement.scrollWidth <= document.documentElement.clientWidth;
  const fitted = await page.waitForFunction(fits, undefined, { timeout: PATIENCE_MS }).catch(() => null);
  const widths = () => `${document.documentElement.scrollWidth} px of content in ${document.documentElement.clientWidth} px`;
  must(fitted !== null, `${name} scrolls sideways: ${await page.evaluate(widths)}`);
}

/** The same page in both themes and at both sizes: no sideways scroll, no figure cut, nothing serious from axe. */
async function inspect(page, name) {
  for (const [size, viewport] of [['wide', WIDE], ['narrow', NARROW]]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.waitForFunction((wanted) => matchMedia(`(prefers-color-scheme: ${wanted})`).matches, colorScheme);
      await noSideways(page, `${name}, ${size}`);
      for (const cut of await cutFigures(page)) problems.push(`${name}, ${size}: cut: ${cut}`);
      await accessible(page, `${name}, ${size}, ${colorScheme}`);
      if (SHOTS !== undefined) {
        await page.screenshot({ path: join(SHOTS, `${name}-${size}-${colorScheme}.png`), fullPage: size === 'wide' });
      }
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize(WIDE);
}

const grid = (page, label) => page.locator(`[role=grid][aria-label="${label}"]`);
const rows = (page, label) => grid(page, label).locator('tbody tr[data-open]');

/** The figures of the query page, as the reader sees them. */
function figures(page) {
  return page.locator('[aria-label=Figures] dd').allInnerTexts();
}

/** Waits until what is shown belongs to the range in the URL. */
async function settled(page) {
  await page.waitForFunction(() => {
    const wanted = new URL(location.href).searchParams.get('start');
    const shown = document.documentElement.dataset.shown ?? '';
    const [start] = shown.split('/');
    return shown !== '' && (wanted === null || Date.parse(start) === Date.parse(wanted));
  });
}

async function signIn(page) {
  // Nobody is signed in yet: the way to the sign-in leaves nothing in the console either.
  await page.goto(`${BASE}/`);
  await page.waitForURL(/\/sign-in/);
  await page.locator('[name=username]').waitFor();
  await inspect(page, 'sign-in');
  await page.locator('[name=username]').fill(USERNAME);
  await page.locator('[name=password]').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await rows(page, 'Instances').first().waitFor();
  say('signed in; the fleet is shown');
  await inspect(page, 'fleet');
}

/** The tabs of an instance, each of which answers a question of its own. */
const TABS = ['Overview', 'Queries', 'Locks', 'Databases', 'Replication', 'Tables', 'Indexes', 'Internals', 'Settings', 'Coverage'];

/** An instance of a role, from the fleet; it opens with its overview. */
async function openInstance(page, role) {
  const cell = page.locator('td', { hasText: new RegExp(`^${role}$`) });
  const instance = rows(page, 'Instances').filter({ has: cell }).first().locator('a').first();
  await instance.waitFor();
  say(`opening instance ${await instance.innerText()}`);
  await instance.click();
  await page.waitForURL(/\/instances\/\d+\/overview/);
}

/** A tab, by its link; the one of locks has a count behind its name. */
async function openTab(page, tab) {
  const tabs = page.getByRole('navigation', { name: 'Instance' });
  await tabs.getByRole('link', { name: new RegExp(`^${tab}`) }).click();
  await page.waitForURL(new RegExp(`/${tab.toLowerCase()}`));
  await settled(page);
  await page.locator('[role=grid], [role=treegrid], figure').first().waitFor();
}

/** Every tab shows its figures, or says in a sentence why there are none. */
async function openTabs(page, role) {
  for (const tab of TABS) {
    await openTab(page, tab);
    say(`${role}, ${tab.toLowerCase()}: ${await page.locator('h1').innerText()}`);
    await inspect(page, `${role}-${tab.toLowerCase()}`);
  }
}

/** The parts of the tab of internals, each of which shows a table or says why it has none. */
async function openParts(page) {
  await openTab(page, 'Internals');
  const parts = page.getByRole('navigation', { name: 'Internals' }).getByRole('link');
  for (const part of (await parts.allInnerTexts()).slice(1)) {
    await parts.filter({ hasText: part }).click();
    await page.locator('[aria-label=Internals] [aria-current=page]', { hasText: part }).waitFor();
    await page.locator('[role=grid]').first().waitFor();
    await settled(page);
    say(`internals, ${part.toLowerCase()}: ${await page.locator('h1').innerText()}`);
    await inspect(page, `internals-${part.toLowerCase()}`);
  }
  // The demo has no PgBouncer: no link leads to its part, and whoever comes by its address is told what it takes.
  must((await parts.filter({ hasText: 'PgBouncer' }).count()) === 0, 'there is a way to a PgBouncer that is not there');
  const address = new URL(page.url());
  address.searchParams.set('part', 'pgbouncer');
  await page.goto(address.href);
  await page.getByText('pgbouncer_dsn is not set').waitFor();
  say(`internals, pgbouncer: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'internals-pgbouncer');
}

/** As what and by whom an instance was delivered, and what administrators can do with it. */
async function openLife(page) {
  await page.getByRole('navigation', { name: 'Instance' }).getByRole('link', { name: 'Life', exact: true }).click();
  await page.getByRole('region', { name: 'Delivered as' }).getByRole('listitem').first().waitFor();
  say(`life: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'life');
}

async function openFleet(page) {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Fleet', exact: true }).click();
  await rows(page, 'Instances').first().waitFor();
}

async function openQueries(page) {
  await openTab(page, 'Queries');
  await rows(page, 'Queries').first().waitFor();
}

/** What is measured at all, from the top bar and back. */
async function openCatalogue(page) {
  const before = page.url();
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Catalogue', exact: true }).click();
  await page.waitForURL(/\/catalogue/);
  await rows(page, 'Catalogue').first().waitFor();
  say(`catalogue: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'catalogue');
  await page.goBack();
  await page.waitForURL(before);
  await rows(page, 'Queries').first().waitFor();
}

/** Background work, growth and retention, for an administrator: by the keyboard up to what a change would free. */
async function openStore(page) {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Store', exact: true }).click();
  await page.waitForURL(/\/store/);
  await rows(page, 'Background work').first().waitFor();
  await rows(page, 'Retention').first().waitFor();
  say(`store: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'store');
  const cell = grid(page, 'Retention').locator('tbody tr td').first();
  const set = await cell.innerText();
  await cell.focus();
  await page.keyboard.press('Enter');
  const editor = page.getByRole('form', { name: new RegExp(`^Days of ${set}`) });
  await editor.waitFor();
  await page.waitForFunction(() => document.activeElement?.closest('form') !== null);
  const save = editor.getByRole('button', { name: 'Save' });
  must(await save.isDisabled(), 'a change can be saved before it was looked at');
  await page.keyboard.press('Enter');
  await editor.getByText(/would go/i).first().waitFor();
  must(await save.isEnabled(), 'a change that was looked at cannot be saved');
  say(`looked at a change: ${(await editor.getByRole('status').innerText()).replaceAll('\n', ' ')}`);
  await inspect(page, 'store-change');
  await editor.getByRole('textbox').focus();
  await page.keyboard.press('Escape');
  await editor.waitFor({ state: 'detached' });
  await storeOfOthers(page);
}

/** Who is no administrator gets no link to the store, and is told so where somebody else's link led. */
async function storeOfOthers(page) {
  const refused = { status: 403, body: { code: 403, error: 'forbidden', message: 'Not yours.', request_id: '1' } };
  await page.route('**/api/v1/auth/refresh', async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, user: { ...body.user, role: 'viewer' } } });
  });
  await page.route('**/api/v1/batch', async (route) => {
    const { requests } = route.request().postDataJSON();
    await route.fulfill({ json: { responses: requests.map(() => refused) } });
  });
  await page.reload();
  await page.getByText('Your role (viewer) may not see this.').waitFor();
  must((await page.getByRole('link', { name: 'Store', exact: true }).count()) === 0, 'a viewer is led to the store');
  must((await page.locator('[role=grid]').count()) === 0, 'a viewer sees tables of the store');
  await page.unrouteAll({ behavior: 'wait' });
  await page.reload();
  await rows(page, 'Retention').first().waitFor();
  say('a viewer has no link to the store, and is told why it shows nothing');
}

/** How long each waits and how many it blocks is in sight at either size, and what is waited for is named. */
async function locksInSight(page) {
  const tree = page.locator('[role=treegrid]');
  for (const viewport of [NARROW, WIDE]) {
    await page.setViewportSize(viewport);
    const lines = await tree.locator('tbody tr').evaluateAll((all) =>
      all.map((line) => [...line.cells].map((cell) => ({ title: cell.dataset.title ?? 'Session', right: cell.getBoundingClientRect().right, width: cell.getBoundingClientRect().width }))),
    );
    const hidden = lines.flat().filter((cell) => cell.width === 0 || cell.right > viewport.width);
    must(hidden.length === 0, `out of sight at ${viewport.width}: ${hidden.map((cell) => cell.title)}`);
    const widest = (line) => line.find((cell) => cell.title === 'Query').width >= Math.max(...line.map((cell) => cell.width));
    must(lines.every(widest), `the statements are not the widest at ${viewport.width}`);
  }
  const waits = await tree.locator('tbody tr:not([aria-level="1"]) [data-title^="Waits for"]').allInnerTexts();
  const vague = waits.filter((text) => !/^waits for \w+ on \S/.test(text));
  must(waits.length > 0 && vague.length === 0, `instead of what is waited for: ${vague.join('; ')}`);
  say(`who waits and who blocks is in sight: ${waits[0]}`);
}

/** Who blocks whom: a picked moment is in the URL, and Back undoes it; where somebody waits, the keyboard walks the tree. */
async function walkLocks(page) {
  await openTab(page, 'Locks');
  const plot = page.locator('.u-over').first();
  await plot.waitFor();
  // The plot is drawn anew for each size and theme; the box around it stays.
  const frame = page.locator('figure [role=application]').first();
  await frame.scrollIntoViewIfNeeded();
  await plot.waitFor();
  const box = await frame.boundingBox();
  must(box !== null, 'the chart of blocked sessions has no plot');
  await page.mouse.move(box.x + box.width * 0.9, box.y + box.height / 2);
  await page.waitForFunction(() => document.querySelector('figure thead th:nth-child(2)')?.textContent !== '');
  await page.mouse.click(box.x + box.width * 0.9, box.y + box.height / 2);
  await page.waitForURL(/[?&]at=/);
  await settled(page);
  say(`picked a moment: ${new URL(page.url()).search}`);
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has('at'));
  const row = page.locator('[role=treegrid] tbody tr').first();
  const worst = page.getByRole('button', { name: 'Worst moment of the range' });
  if ((await row.count()) === 0 && (await worst.count()) > 0) {
    await worst.click();
    await row.waitFor();
  }
  if ((await row.count()) > 0) {
    await locksInSight(page);
    await row.focus();
    await page.keyboard.press('Enter');
    await page.locator('section[aria-label^=Session], section[aria-label^=Prepared]').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-level') !== null);
    say('arrow keys move through the tree');
    await inspect(page, 'locks-detail');
  }
  await openQueries(page);
}

const heading = (page) => page.locator('h1').innerText();

/** A click on a wait class is a step of its own: Back undoes it and stays on the page. */
async function backFromClass(page) {
  await openTab(page, 'Overview');
  const series = page.locator('figure tbody th button:not([aria-expanded])').first();
  await series.click();
  await page.waitForURL(/[?&]hide=/);
  await page.goBack();
  await page.waitForURL((url) => /\/overview$/.test(url.pathname) && !url.searchParams.has('hide'));
  say('Back undid the choice of a class, on the same page');
}

/** No column is wider than that of the statement's text, at either size. */
async function textIsWidest(page) {
  for (const viewport of [NARROW, WIDE]) {
    await page.setViewportSize(viewport);
    const widths = await grid(page, 'Queries').locator('thead th').evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().width));
    must(widths.slice(1).every((width) => width < widths[0]), `the text has ${widths[0]} px at ${viewport.width}; others ${widths.slice(1)}`);
  }
}

/** Filters say of how many the page tells; monitoring's own statements are left out until they are asked for. */
async function filterQueries(page) {
  await openQueries(page);
  await textIsWidest(page);
  const whole = await heading(page);
  const show = page.getByRole('button', { name: 'Show', exact: true });
  await show.waitFor();
  const line = page.locator('p', { has: show });
  must(/^\d[\d,]* statements? of monitoring, /.test(await line.innerText()), `instead of monitoring's statements: ${await line.innerText()}`);
  await show.click();
  await page.waitForURL(/monitoring=show/);
  await page.getByRole('button', { name: 'Hide', exact: true }).waitFor();
  await page.goBack();
  await show.waitFor();
  await page.getByRole('searchbox').fill('update');
  await page.waitForURL(/[?&]q=update/);
  await page.waitForFunction(() => /shown of|^None of/.test(document.querySelector('h1')?.textContent ?? ''));
  say(`filtered: ${await heading(page)} (${whole})`);
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has('q'));
  await page.waitForFunction(() => !/shown of/.test(document.querySelector('h1')?.textContent ?? ''));
  say('Back undid the filter');
}

/** A click on a figure points at it; only the name leads away. */
async function clickTable(page) {
  await openTab(page, 'Tables');
  const row = rows(page, 'Tables').first();
  await row.locator('td').nth(1).click();
  must(/\/tables$/.test(new URL(page.url()).pathname), `a click on a figure led to ${page.url()}`);
  await row.locator('td').nth(1).hover({ position: { x: 4, y: 4 } });
  await page.getByRole('tooltip').waitFor();
  await row.locator('a').first().click();
  await page.waitForURL(/\/indexes\?.*table=/);
  await page.goBack();
  await page.waitForURL(/\/tables/);
  say('a click on a figure stays, the name leads to the indexes, the whole cell tells its figure');
  await openQueries(page);
}

async function sortByCalls(page) {
  const header = grid(page, 'Queries').locator('th[data-column=calls]');
  await header.click();
  await page.waitForURL(/sort=-calls/);
  await page.waitForFunction(
    () => document.querySelector('[role=grid] th[data-column=calls]')?.getAttribute('aria-sort') === 'descending',
  );
  await settled(page);
  await rows(page, 'Queries').first().waitFor();
  say('sorted by calls, descending');
  await header.focus();
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction(() => document.activeElement?.closest('tbody') !== null);
  say('arrow keys move through the rows');
}

async function openQuery(page) {
  const link = rows(page, 'Queries').first().locator('a').first();
  await link.click();
  await page.waitForURL(/\/queries\/-?\d+/);
  await page.locator('.u-over').first().waitFor();
  say(`query: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'query');
}

async function pickRange(page) {
  await page.locator('[data-popover="Time range"]').click();
  await page.getByRole('dialog', { name: 'Time range' }).getByRole('button', { name: ZOOMED_PRESET, exact: true }).click();
  await page.waitForURL(/range=5m/);
  await settled(page);
  say(`range: ${ZOOMED_PRESET}`);
}

/** Zooms; on an instance that is only just watched, again after each refresh until there is something to see. */
async function zoomToFigures(page) {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const before = await zoom(page);
    if ((await figures(page)).some((figure) => /\d/.test(figure))) return before;
    must(Date.now() < deadline, 'the zoomed range has no figures');
    await page.goBack();
    await page.waitForURL(before);
    await page.waitForResponse((response) => response.url().endsWith('/batch') && response.ok(), { timeout: READY_MS });
  }
}

async function zoom(page) {
  const before = page.url();
  await page.waitForFunction(() => document.querySelectorAll('.u-over').length > 0);
  const plot = page.locator('.u-over').first();
  await plot.scrollIntoViewIfNeeded();
  const box = await plot.boundingBox();
  must(box !== null, 'the first chart has no plot');
  await page.mouse.move(box.x + box.width * ZOOM.from, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2, { steps: 5 });
  await page.mouse.move(box.x + box.width * ZOOM.to, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/start=.*end=/);
  must(page.url() !== before, 'the zoom did not change the URL');
  await settled(page);
  say(`zoomed by dragging: ${new URL(page.url()).search}`);
  return before;
}

async function reload(page) {
  const url = page.url();
  const range = await page.locator('[data-popover="Time range"]').innerText();
  const shown = await figures(page);
  must(shown.length > 0, 'the query page shows no figures');
  await page.reload();
  await page.locator('.u-over').first().waitFor();
  await settled(page);
  must(page.url() === url, `the reload changed the URL to ${page.url()}`);
  const again = await figures(page);
  must((await page.locator('[data-popover="Time range"]').innerText()) === range, 'the reload changed the range');
  must(JSON.stringify(again) === JSON.stringify(shown), `the reload changed the figures: ${shown} became ${again}`);
  say(`reloaded: still signed in, same range (${range.trim()}), same figures (${again.join(' | ').replaceAll('\n', ' ')})`);
}

async function back(page, unzoomed) {
  await page.goBack();
  await page.waitForURL(unzoomed);
  say('Back undid the zoom');
}

async function themes(page) {
  const dark = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = new Set();
  for (let i = 0; i < 3; i += 1) {
    seen.add(await dark());
    await page.getByRole('button', { name: /theme/ }).click();
  }
  must(seen.size === 2, `the theme button shows ${seen.size} backgrounds instead of two`);
  const stored = await page.evaluate(() => Object.keys(localStorage).join());
  must(stored === '' || stored === 'pganalytics-theme', `unexpected local storage: ${stored}`);
  say('light and dark, and nothing but the theme is stored');
}

async function lookAt(page) {
  say(`at ${page.url()}: ${(await page.locator('body').innerText()).slice(0, 600)}`);
  if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, 'failure.png'), fullPage: true });
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
let failed = null;
try {
  const page = await browser.newPage({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce' });
  page.setDefaultTimeout(PATIENCE_MS);
  await watch(page);
  try {
    const means = { base: BASE, must, say, settled, inspect, rows, tabs: TABS };
    await signIn(page);
    await openInstance(page, 'standby');
    await openTabs(page, 'standby');
    await openStore(page);
    await walkSteering(page, means);
    await openFleet(page);
    await openInstance(page, 'primary');
    await openTabs(page, 'primary');
    await openParts(page);
    await openLife(page);
    await openQueries(page);
    await openCatalogue(page);
    await walkLocks(page);
    await backFromClass(page);
    await filterQueries(page);
    await clickTable(page);
    await sortByCalls(page);
    await openQuery(page);
    await pickRange(page);
    const unzoomed = await zoomToFigures(page);
    await reload(page);
    await back(page, unzoomed);
    await themes(page);
    await walkMoments(page, means);
    await walkHostile(page, means);
    if (PRIMARY !== undefined) await walkOutage(page, PRIMARY, means);
  } catch (error) {
    failed = error;
    // What went wrong is told even by a page that can no longer be looked at.
    await lookAt(page).catch((cause) => say(`and the page cannot be looked at: ${cause}`));
  }
} finally {
  await browser.close();
}
for (const problem of problems) say(`PROBLEM ${problem}`);
if (failed !== null) say(`FAILED ${failed.stack ?? failed}`);
if (failed !== null || problems.length > 0) process.exitCode = 1;
else say('all fine');
