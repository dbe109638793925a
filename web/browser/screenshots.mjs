// Makes the pictures in docs/screenshots from a running pgAnalytics: BASE_URL, USERNAME, PASSWORD, CHROMIUM.
// RANGE is what the pictures show; an instance that is watched for less leaves a part of them empty.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const BASE = (process.env.BASE_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const RANGE = process.env.RANGE ?? '15m';
const FOLDER = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));

async function shoot(page, name) {
  // A picture is of a page at rest: no pointer over a row, nothing on its way.
  await page.mouse.move(0, 799);
  await page.locator('[data-outdated=true]').waitFor({ state: 'detached' });
  for (const [colorScheme, suffix] of [['light', ''], ['dark', '-dark']]) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.waitForFunction((wanted) => matchMedia(`(prefers-color-scheme: ${wanted})`).matches, colorScheme);
    const path = join(FOLDER, `${name}${suffix}.png`);
    await page.screenshot({ path });
    process.stdout.write(`${path}\n`);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
}

await mkdir(FOLDER, { recursive: true });
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    timezoneId: 'UTC',
  });
  await page.goto(`${BASE}/sign-in?next=${encodeURIComponent(`/?range=${RANGE}`)}`);
  await page.locator('[name=username]').fill(process.env.USERNAME ?? 'admin');
  await page.locator('[name=password]').fill(process.env.PASSWORD ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('tr[data-open] a').first().waitFor();
  await shoot(page, 'fleet');
  const cell = (role) => page.locator('td', { hasText: new RegExp(`^${role}$`) });
  const instance = (role) => page.locator('tr[data-open]').filter({ has: cell(role) }).first().locator('a').first();
  const main = page.getByRole('navigation', { name: 'Main' });
  const tabs = page.getByRole('navigation', { name: 'Instance' });
  const open = async (tab) => {
    await tabs.getByRole('link', { name: new RegExp(`^${tab}`) }).click();
    await page.waitForURL(new RegExp(`/${tab.toLowerCase()}`));
    await page.locator('[role=grid], [role=treegrid], figure').first().waitFor();
    await page.waitForLoadState('networkidle');
  };
  await instance('primary').click();
  for (const tab of ['Overview', 'Queries', 'Locks', 'Databases', 'Replication', 'Tables', 'Indexes', 'Internals', 'Settings', 'Coverage']) {
    await open(tab);
    const worst = page.getByRole('button', { name: 'Worst moment of the range' });
    if (tab === 'Locks' && (await worst.isEnabled())) {
      await worst.click();
      await page.locator('[role=treegrid] tbody tr').first().waitFor();
    }
    await shoot(page, tab.toLowerCase());
  }
  await open('Queries');
  // The second: the first of the demo waits for locks, and that is a story of its own.
  await page.locator('tr[data-open] a').nth(1).click();
  await page.locator('.u-over').first().waitFor();
  await shoot(page, 'query');
  await main.getByRole('link', { name: 'Catalogue', exact: true }).click();
  await page.locator('tr[data-open]').first().waitFor();
  await shoot(page, 'catalogue');
  await main.getByRole('link', { name: 'Store', exact: true }).click();
  await page.locator('[aria-label=Retention] tr[data-open]').first().waitFor();
  await shoot(page, 'store');
  await main.getByRole('link', { name: 'Collectors', exact: true }).click();
  await page.locator('tr[data-open] a').first().waitFor();
  await shoot(page, 'collectors');
  await page.locator('tr[data-open] a').first().click();
  await page.getByRole('heading', { name: 'Labels' }).waitFor();
  await page.waitForLoadState('networkidle');
  await shoot(page, 'configuration');
  await main.getByRole('link', { name: 'Fleet', exact: true }).click();
  await instance('standby').click();
  await open('Replication');
  await shoot(page, 'standby-replication');
} finally {
  await browser.close();
}
