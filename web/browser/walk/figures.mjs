// A number without its last digit or its unit is another number: no figure is ever cut.

/** What of the page's figures, headers and short words is cut or runs into what stands beside it. Foreign texts may be. */
export function cutFigures(page) {
  return page.evaluate(() => {
    const looksLikeOne = (element) => /^[≈<×±+−]?\s?\d[^a-z]*( ?[a-zµ/%]{1,5}){0,4}$/i.test(element.textContent.trim());
    const never = 'thead th, dd, [data-numeric=true], [data-whole=true]';
    const clips = (element) => ['hidden', 'clip'].includes(getComputedStyle(element).overflowX);
    const isCut = (element) => element.clientWidth > 1 && element.scrollWidth > element.clientWidth;
    const wrong = [...document.querySelectorAll('main *')].filter((element) => {
      if (!isCut(element)) return false;
      // What stands inside of such a cell is a part of it.
      if (element.matches('td, th, dd')) return element.matches(never) || looksLikeOne(element);
      return clips(element) && (element.closest(never) !== null || looksLikeOne(element));
    });
    return wrong.map((element) => {
      const table = element.closest('[aria-label]')?.getAttribute('aria-label') ?? '';
      return `"${element.textContent}" has ${element.clientWidth} px of ${element.scrollWidth} in ${table}`;
    });
  });
}
