// The fleet page and an instance's page in headless Chromium, left open as on a wall, and the text that a reader sees.
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
/** Wide enough that no sentence is cut by a column. */
const VIEWPORT = { width: 1600, height: 1000 };
/** How often an open page asks anew. */
export const REFRESH_S = 10;

export class Pages {
  static async open(demo) {
    const pages = new Pages();
    pages.address = demo.address;
    pages.browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
    const context = await pages.browser.newContext({ viewport: VIEWPORT, timezoneId: 'UTC', reducedMotion: 'reduce' });
    pages.fleet = await context.newPage();
    await pages.fleet.goto(`${demo.address}/sign-in?next=%2F`);
    await pages.fleet.locator('[name=username]').fill('admin');
    await pages.fleet.locator('[name=password]').fill(demo.password);
    await pages.fleet.getByRole('button', { name: 'Sign in' }).click();
    await pages.fleet.locator('[role=grid][aria-label="Instances"] tbody tr[data-open]').first().waitFor();
    pages.instance = await context.newPage();
    return pages;
  }

  /** Opens an instance's page. */
  async turnTo(id, tab = 'overview') {
    await this.instance.goto(`${this.address}/instances/${id}/${tab}`);
    await this.instance.getByRole('navigation', { name: 'Instance' }).waitFor();
  }

  /** What stands on a page, on one line. */
  static async text(page) {
    const text = await page.evaluate(() => document.querySelector('main')?.innerText ?? document.body.innerText).catch(() => '');
    return text.replace(/\s+/g, ' ');
  }

  async close() {
    await this.browser.close();
  }
}
