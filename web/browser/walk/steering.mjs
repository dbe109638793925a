// Steering, as an administrator does it: a configuration is written by the keyboard, refused with its line, looked at, saved
// and restored; a template is written and removed again, with what it comes to.

/** Harmless to a collector that follows it. */
const FIRST = '[collector]\nconfig_pull_interval = 120\n';
const SECOND = '[collector]\nconfig_pull_interval = 180\n';

const button = (place, name) => place.getByRole('button', { name, exact: true });
const text = (page) => page.getByRole('textbox', { name: 'Written for this collector' });

/** Looks at what a text changes, then saves it. */
async function write(page, { must }, content) {
  const section = page.getByRole('region', { name: 'Configuration', exact: true });
  must(await button(section, 'Save').isDisabled(), 'a configuration can be saved before it was looked at');
  await text(page).fill(content);
  await button(section, 'Show what changes').click();
  await section.locator('[data-kind=added]').first().waitFor();
  await button(section, 'Save').click();
  const saved = section.getByText(/^Saved as version \d+\.$/);
  await saved.waitFor();
  return Number(/\d+/.exec(await saved.innerText())[0]);
}

async function refusedWithLine(page, { must, say }) {
  const section = page.getByRole('region', { name: 'Configuration', exact: true });
  await text(page).fill('[collector]\ninterval = 10\nstate_dir = "/tmp"\n');
  await button(section, 'Show what changes').click();
  const go = button(section, 'Go to line 3');
  await go.waitFor();
  must((await text(page).getAttribute('aria-invalid')) === 'true', 'a text that was refused is not marked');
  must(await button(section, 'Save').isDisabled(), 'a text that was refused can be saved');
  await go.focus();
  await page.keyboard.press('Enter');
  const selected = await text(page).evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd));
  must(selected === 'state_dir = "/tmp"', `instead of the line that was refused: ${selected}`);
  say(`refused: ${(await section.getByRole('status').innerText()).replaceAll('\n', ' ')}`);
}

async function restored(page, { must, inspect, say }, first, second) {
  const versions = page.getByRole('region', { name: 'Versions' });
  const summary = versions.locator('summary', { hasText: new RegExp(`^Version ${first},`) });
  await summary.focus();
  await page.keyboard.press('Enter');
  const restore = button(versions, `Restore version ${first}`);
  must(await restore.isDisabled(), 'a version can be restored before it was looked at');
  await button(versions, `Show what restoring version ${first} changes`).click();
  await page.waitForFunction((name) => [...document.querySelectorAll('button')].some((one) => one.textContent === name && !one.disabled), `Restore version ${first}`);
  await inspect(page, 'configuration');
  await restore.click();
  await versions.locator('summary', { hasText: `restored version ${first}` }).first().waitFor();
  await page.waitForFunction((wanted) => document.querySelector('textarea')?.value === wanted, FIRST);
  say(`restored version ${first} over ${second}: ${await page.locator('h1').innerText()}`);
}

async function template(page, { must, inspect, say, rows }) {
  await page.getByRole('link', { name: 'Templates', exact: true }).click();
  await page.waitForURL(/\/templates(\?|$)/);
  await button(page, 'New template').click();
  const section = page.getByRole('region', { name: 'Template', exact: true });
  await section.getByRole('textbox', { name: 'Name' }).fill('walk');
  await section.getByRole('textbox', { name: 'For collectors with the labels' }).fill('stage=nobody');
  await section.getByRole('textbox', { name: 'What it sets' }).fill(FIRST);
  must(await button(section, 'Save').isDisabled(), 'a template can be saved before it was looked at');
  await button(section, 'Show what changes').click();
  await section.getByText('No collector has these labels.').waitFor();
  await inspect(page, 'template');
  await button(section, 'Save').click();
  await page.waitForURL(/\/templates\/walk/);
  await page.locator('summary', { hasText: 'wrote it' }).first().waitFor();
  await button(section, 'Show what removing changes').click();
  await section.getByText('No collector has these labels.').waitFor();
  await button(section, 'Remove').click();
  await section.getByText('Removed.', { exact: true }).waitFor();
  await page.locator('h1', { hasText: 'walk was removed' }).waitFor();
  await page.goBack();
  await page.waitForURL(/\/templates(\?|$)/);
  await page.getByText('No template yet.').waitFor();
  must((await rows(page, 'Templates').count()) === 0, 'a template that was removed is still listed');
  say('a template was written, looked at, and removed');
}

/** The sets of the users' own, and what writing one looks like. */
async function customSets(page, { inspect, say }) {
  await page.getByRole('link', { name: 'Custom sets', exact: true }).click();
  await page.waitForURL(/\/custom-sets(\?|$)/);
  await page.getByText('No custom set yet.').waitFor();
  await button(page, 'New custom set').click();
  await page.getByRole('region', { name: 'Custom set', exact: true }).waitFor();
  await inspect(page, 'custom-sets');
  say(`custom sets: ${await page.locator('h1').innerText()}`);
}

export async function walkSteering(page, means) {
  const { inspect, rows, say } = means;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Collectors', exact: true }).click();
  await page.waitForURL(/\/collectors(\?|$)/);
  await rows(page, 'Collectors').first().waitFor();
  say(`collectors: ${await page.locator('h1').innerText()}`);
  await inspect(page, 'collectors');
  await rows(page, 'Collectors').first().locator('a').first().click();
  await page.waitForURL(/\/collectors\/[0-9a-f-]+/);
  await text(page).waitFor();
  await refusedWithLine(page, means);
  const first = await write(page, means, FIRST);
  const second = await write(page, means, SECOND);
  await restored(page, means, first, second);
  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'Collectors' }).click();
  await page.waitForURL(/\/collectors(\?|$)/);
  await template(page, means);
  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'Collectors' }).click();
  await page.waitForURL(/\/collectors(\?|$)/);
  await customSets(page, means);
}
