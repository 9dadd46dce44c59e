// What a reader with other eyes, or none, would miss; measured on a page as it stands.
({
  // Text whose contrast with its ground is below WCAG AA (4.5, large text 3): [ratio, text, colour, ground].
  pale: () => {
  const parse = text => { const n = text.match(/[\d.]+/g).map(Number);
    const srgb = text.startsWith('color(srgb'); return [...n.slice(0, 3).map(v => srgb ? 255 * v : v), n[3] ?? 1]; };
  const over = (top, under) => { const a = top[3]; return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]).concat(1); };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = node => { const layers = []; for (let n = node; n; n = n.parentElement ?? n.getRootNode().host) {
      const c = parse(getComputedStyle(n).backgroundColor); if (c[3]) layers.push(c); if (c[3] === 1) break; }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
  const told = [];
  const look = root => root.querySelectorAll('*').forEach(node => {
    if (node.shadowRoot) look(node.shadowRoot);
    const text = [...node.childNodes].filter(c => c.nodeType === 3).map(c => c.data.trim()).join(' ').trim();
    if (!text || text === '■' || node.closest('svg, canvas, style, script, [data-testid="stIconMaterial"], [aria-hidden="true"], :disabled')) return;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (!box.width || !box.height || style.visibility !== 'visible') return;
    let opacity = 1; for (let n = node; n; n = n.parentElement ?? n.getRootNode().host) opacity *= getComputedStyle(n).opacity;
    if (opacity < .1) return;
    const back = ground(node), ink = parse(style.color), seen = over([...ink.slice(0, 3), ink[3] * opacity], back);
    const [a, b] = [light(seen), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5) - .005) told.push([Math.round(100 * ratio) / 100, text.slice(0, 40), style.color, back.join()]);
  });
  look(document.querySelector('[data-testid="stApp"]'));
  return told; },

  // What can be worked by keyboard and has no name to be read out.
  nameless: () => [...document.querySelectorAll('button, a[href], input, textarea, select, [role="button"], [role="slider"]')]
  .filter(n => n.offsetParent !== null && !n.closest('[aria-hidden="true"]'))
  .filter(n => !(n.getAttribute('aria-label') || n.getAttribute('title') || n.textContent?.trim() || n.labels?.length
    || n.getAttribute('aria-labelledby') || n.getAttribute('placeholder') || n.querySelector('img[alt]')))
  .map(n => n.outerHTML.slice(0, 140)),

  // Charts that say nothing to who cannot see them.
  silent: () => [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')]
  .filter(c => ![c, ...c.querySelectorAll('[aria-label], [role]')].some(n => (n.getAttribute('aria-label') || '').length > 15))
  .map(c => c.outerHTML.slice(0, 140)),
})
