// Charts, live rows and logs, keys. Everything else is in the page without it.
'use strict';
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const one = (what, where = document) => where.querySelector(what);
  const make = (name, props = {}, ...inside) => {
    const element = Object.assign(document.createElement(name), props);
    element.append(...inside);
    return element;
  };
  const pad = (n, many = 2) => String(n).padStart(many, '0');
  const utc = (ms) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
  const DAY = 86400000;

  // Digits in groups, as the pages have them.
  const grouped = (text) => {
    const [whole, rest] = text.replace('-', '−').split('.');
    const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
    return rest === undefined ? spaced : `${spaced}.${rest}`;
  };
  const fixed = (value, places = 2) => (Number.isFinite(value) ? grouped(value.toFixed(places)) : '–');
  const price = (value) => {
    if (value === null || !Number.isFinite(value)) return '–';
    const size = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
    const text = value.toFixed(Math.min(18, Math.max(0, 7 - size)));
    return grouped(text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  };
  const many_of = (many, name, names) => `${grouped(String(many))} ${many === 1 ? name : names}`;
  const length = (ms) => {
    const units = [['d', DAY], ['h', 3600000], ['m', 60000], ['s', 1000]];
    const [name, unit] = units.find(([, size]) => ms >= size) || units[3];
    return `${Math.round((ms / unit) * 10) / 10}${name}`;
  };

  // Local time on hover.
  document.addEventListener('mouseover', (event) => {
    const time = event.target.closest && event.target.closest('time');
    if (!time || time.title) return;
    const at = new Date(time.dateTime);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!Number.isNaN(at.getTime())) time.title = `${time.dateTime.replace('T', ' ').replace('Z', ' UTC')}\n${at.toLocaleString()} ${zone}`;
  });

  // Parts that are made again every few seconds.
  const refresh = async (box) => {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const old of all('[data-live]', box)) {
      const next = fresh.getElementById(old.id);
      if (!next || next.innerHTML === old.innerHTML) continue;
      const focus = old.contains(document.activeElement) && document.activeElement.getAttribute('href');
      old.replaceChildren(...next.childNodes);
      if (focus) all('a', old).find((a) => a.getAttribute('href') === focus)?.focus();
    }
    const still = one('[data-refresh]', fresh);
    if (!still) location.reload();
  };
  for (const box of all('[data-refresh]')) {
    setInterval(() => refresh(box).catch(() => {}), Number(box.dataset.refresh) * 1000);
  }

  // What is to be copied.
  for (const button of all('button.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = 'copied';
    });
  }

  // A field that hides rows without a text.
  const filters = (list, rows) => {
    const field = make('input', { type: 'search', autocomplete: 'off' });
    const label = make('label', { className: 'find' }, 'Filter', field);
    list.before(label);
    field.addEventListener('input', () => {
      const wanted = field.value.toLowerCase();
      for (const row of rows()) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  };
  for (const table of all('table.jobs, table.decisions')) filters(table.closest('.wide'), () => all('tbody tr', table));
  for (const log of all('.log')) if (log.dataset.stream || all('li', log).length > 20) filters(log, () => all('li', log));
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input, select, textarea');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      const field = one('form.filter select, form.filter input') || one('.find input');
      if (field) {
        event.preventDefault();
        field.focus();
      }
    }
  });

  // Logs that go on.
  for (const log of all('.log')) {
    log.scrollTop = log.scrollHeight;
    if (!log.dataset.stream) continue;
    const list = one('ol', log);
    const row = ({ level, text }) => make('li', { className: level, textContent: text });
    const add = (lines) => {
      const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
      list.append(...lines.map(row));
      while (list.children.length > 5000) list.firstChild.remove();
      if (follows) log.scrollTop = log.scrollHeight;
    };
    const stream = new EventSource(log.dataset.stream);
    stream.addEventListener('begin', (event) => {
      list.replaceChildren();
      add(JSON.parse(event.data).lines);
    });
    stream.addEventListener('lines', (event) => add(JSON.parse(event.data).lines));
    stream.addEventListener('end', () => stream.close());
  }

  // Why a slot was decided as it was, over the page.
  const dialog = one('dialog#why');
  const why = async (address) => {
    const inside = one('.answer', dialog);
    inside.replaceChildren(make('p', { textContent: 'playing the ledger again …' }));
    if (!dialog.open) dialog.showModal();
    try {
      const answer = await fetch(address);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const found = answer.ok ? [one('h1', page), one('article.why', page), one('.pager', page)] : [...one('main', page).childNodes];
      inside.replaceChildren(...found.filter(Boolean));
    } catch (error) {
      inside.replaceChildren(make('p', { textContent: `the service does not answer: ${error.message}` }));
    }
  };
  if (dialog) {
    document.addEventListener('click', (event) => {
      const link = event.target.closest('a[href*="/why?at="]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      why(link.getAttribute('href'));
    });
  }

  // New decisions on top of the table.
  const heard = [];
  for (const table of all('table.decisions')) {
    const body = one('tbody', table);
    const state = one('.live-state');
    const cell = (text, number) => make('td', { textContent: text ?? '–', className: number ? 'n' : '' });
    const stream = new EventSource(table.dataset.stream);
    stream.addEventListener('open', () => { state.textContent = 'Live: new decisions appear on top.'; });
    stream.addEventListener('error', () => { state.textContent = 'The stream is interrupted; it is asked for again.'; });
    stream.addEventListener('decision', (event) => {
      const row = JSON.parse(event.data);
      if (one(`tr[data-ts="${Number(row.ts_ms)}"]`, body)) return;
      const time = make('time', { dateTime: new Date(row.ts_ms).toISOString(), textContent: utc(row.ts_ms) });
      const link = make('a', { href: `${table.dataset.why}?at=${row.ts_ms}` }, time);
      const line = make('tr', { className: row.decision === 'skip' ? 'skip new' : 'new' },
        make('th', { scope: 'row' }, link), cell(row.decision), cell(row.reason), cell(row.blocked_by), cell(row.position),
        cell(price(row.close), true), cell(price(row.stop_px), true), cell(fixed(row.equity), true), cell(row.risk_state),
        cell(row.late_ms === null ? '–' : `${(row.late_ms / 1000).toFixed(1)}\u202fs`, true));
      line.dataset.ts = row.ts_ms;
      body.prepend(line);
      while (body.children.length > Number(table.dataset.most)) body.lastChild.remove();
      for (const tell of heard) tell(row);
    });
  }

  // The chart of a loop.
  const SKIPS = ['--skip-a', '--skip-b', '--skip-c', '--skip-d', '--skip-e'];
  const chart = (box) => {
    const { api, page, replay, quote } = box.dataset;
    const number = (name) => Number(box.dataset[name]);
    const view = { first: number('first'), last: number('last'), from: number('from'), to: number('to'), bar: number('bar') };
    const canvas = one('canvas.price', box), below = one('canvas.equity', box);
    const says = one('#chart-says'), readout = one('.readout', box), legend = one('.legend', box);
    let bars = null, over = null, cursor = null, wait = 0, asked = 0;
    const ink = (name) => getComputedStyle(box).getPropertyValue(name).trim();

    const sheet = (of) => {
      const wide = of.clientWidth, high = of.clientHeight, dense = window.devicePixelRatio || 1;
      of.width = Math.round(wide * dense);
      of.height = Math.round(high * dense);
      const pen = of.getContext('2d');
      pen.scale(dense, dense);
      pen.font = '11px system-ui, sans-serif';
      return { pen, wide: wide - 70, high };
    };
    const across = (ms, wide) => ((ms - view.from) / (view.to - view.from)) * wide;
    const steps = (low, high, most) => {
      const raw = (high - low) / most, size = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= raw);
      const out = [];
      for (let at = Math.ceil(low / step) * step; at <= high; at += step) out.push(at);
      return out;
    };
    const TIMES = [60000, 300000, 900000, 1800000, 3600000, 10800000, 21600000, 43200000, DAY, 2 * DAY, 7 * DAY, 28 * DAY, 91 * DAY, 364 * DAY];
    const times = (wide) => {
      const most = Math.max(2, Math.floor(wide / 110));
      const step = TIMES.find((n) => (view.to - view.from) / n <= most) || TIMES[TIMES.length - 1];
      const out = [];
      for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) out.push([at, step >= DAY ? utc(at).slice(0, 10) : utc(at).slice(5)]);
      return out;
    };
    const scale = (values, top, bottom) => {
      let low = Infinity, high = -Infinity;
      for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
      if (low > high) { low = 0; high = 1; }
      const air = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
      low -= air; high += air;
      return { low, high, y: (value) => bottom - ((value - low) / (high - low)) * (bottom - top) };
    };
    const axis = ({ pen, wide }, range, most, written) => {
      pen.fillStyle = ink('--soft');
      pen.strokeStyle = ink('--grid');
      pen.lineWidth = 1;
      pen.textAlign = 'left';
      pen.textBaseline = 'middle';
      for (const value of steps(range.low, range.high, most)) {
        const y = Math.round(range.y(value)) + 0.5;
        pen.beginPath(); pen.moveTo(0, y); pen.lineTo(wide, y); pen.stroke();
        pen.fillText(written(value), wide + 6, y);
      }
    };
    // Colour and hatch by reason; the same in the picture and in the legend.
    const reasons = () => [...new Set((over?.skipped || []).map((one) => one.reason))].sort();
    const hatch = (pen, n, x, y, wide, high) => {
      pen.save();
      pen.beginPath(); pen.rect(x, y, Math.max(1.5, wide), high); pen.clip();
      pen.globalAlpha = 0.35; pen.fillStyle = ink(SKIPS[n % 5]); pen.fill(); pen.globalAlpha = 1;
      pen.strokeStyle = ink(SKIPS[n % 5]); pen.lineWidth = 1;
      pen.beginPath();
      const gap = 5;
      for (let at = x - high - (x % gap); at < x + wide + high; at += gap) {
        if (n % 5 === 0) { pen.moveTo(at, y + high); pen.lineTo(at + high, y); }
        else if (n % 5 === 1) { pen.moveTo(at, y); pen.lineTo(at + high, y + high); }
        else if (n % 5 === 2) { pen.moveTo(at, y); pen.lineTo(at, y + high); }
        else if (n % 5 === 3) { pen.moveTo(at, y + high); pen.lineTo(at + high, y); pen.moveTo(at, y); pen.lineTo(at + high, y + high); }
      }
      if (n % 5 === 4) for (let at = y + 2; at < y + high; at += 3) { pen.moveTo(x, at); pen.lineTo(x + wide, at); }
      pen.stroke();
      pen.restore();
    };
    const shape = (pen, name, x, y) => {
      pen.beginPath();
      if (name === 'up') { pen.moveTo(x, y - 6); pen.lineTo(x + 5, y + 4); pen.lineTo(x - 5, y + 4); pen.closePath(); pen.fill(); }
      if (name === 'down') { pen.moveTo(x, y + 6); pen.lineTo(x + 5, y - 4); pen.lineTo(x - 5, y - 4); pen.closePath(); pen.fill(); }
      if (name === 'cross') { pen.moveTo(x - 4, y - 4); pen.lineTo(x + 4, y + 4); pen.moveTo(x + 4, y - 4); pen.lineTo(x - 4, y + 4); pen.stroke(); }
      if (name === 'diamond') { pen.moveTo(x, y - 4); pen.lineTo(x + 4, y); pen.lineTo(x, y + 4); pen.lineTo(x - 4, y); pen.closePath(); pen.stroke(); }
    };
    const marks = { long: ['up', '--own'], short: ['down', '--held'], exit: ['cross', '--ink'], revised: ['diamond', '--look'] };
    const mark = (pen, kind, x, y) => {
      const [name, colour] = marks[kind];
      pen.fillStyle = pen.strokeStyle = ink(colour);
      pen.lineWidth = 1.6;
      shape(pen, name, x, y);
    };

    const candles = (pen, wide, range) => {
      const broad = Math.max(1, (bars.level_ms / (view.to - view.from)) * wide * 0.7);
      for (const [at, open, high, low, close] of bars.bars) {
        const x = across(at - bars.level_ms / 2, wide);
        if (x < -broad || x > wide + broad) continue;
        const rises = close >= open;
        pen.strokeStyle = pen.fillStyle = ink(rises ? '--up' : '--down');
        pen.lineWidth = 1;
        pen.beginPath(); pen.moveTo(x, range.y(high)); pen.lineTo(x, range.y(low)); pen.stroke();
        const top = range.y(Math.max(open, close)), tall = Math.max(1, range.y(Math.min(open, close)) - top);
        if (rises && broad >= 3) {
          pen.fillStyle = ink('--paper');
          pen.fillRect(x - broad / 2, top, broad, tall);
          pen.strokeRect(x - broad / 2, top, broad, tall);
        } else {
          pen.fillRect(x - broad / 2, top, broad, tall);
        }
      }
    };
    const drawPrice = () => {
      const { pen, wide, high } = sheet(canvas);
      const band = 14, bottom = high - 20 - band - 4;
      const inside = bars.bars.filter((bar) => bar[0] > view.from && bar[0] - bars.level_ms < view.to);
      const range = scale(inside.flatMap((bar) => [bar[2], bar[3]]), 8, bottom);
      axis({ pen, wide }, range, Math.max(3, Math.floor(high / 60)), price);
      pen.textAlign = 'center';
      pen.textBaseline = 'alphabetic';
      for (const [at, text] of times(wide)) pen.fillText(text, Math.min(wide - 30, Math.max(34, across(at, wide))), high - 6);
      pen.save();
      pen.beginPath(); pen.rect(0, 0, wide, high); pen.clip();
      candles(pen, wide, range);
      if (over) {
        const known = reasons();
        for (const one of over.skipped) {
          const from = across(one.from_ts_ms - view.bar, wide), to = across(one.to_ts_ms, wide);
          if (to >= 0 && from <= wide) hatch(pen, known.indexOf(one.reason), from, bottom + 6, to - from, band);
        }
        pen.strokeStyle = ink('--down'); pen.lineWidth = 1.2; pen.setLineDash([4, 3]);
        pen.beginPath();
        // One outside the prices that are drawn would cross what is written below.
        for (const stop of over.stops.filter(stop => range.y(stop.px) >= 0 && range.y(stop.px) <= bottom)) {
          pen.moveTo(across(stop.from_ts_ms - view.bar, wide), range.y(stop.px));
          pen.lineTo(across(stop.to_ts_ms, wide), range.y(stop.px));
        }
        pen.stroke();
        pen.setLineDash([]);
        for (const fill of over.fills) mark(pen, fill.event === 'close' ? 'exit' : fill.side, across(fill.ts_ms - view.bar / 2, wide), range.y(fill.px));
      }
      const revised = bars.revised_ts_ms.filter((at) => at > view.from && at <= view.to);
      if (revised.length <= wide / 16) {
        for (const at of revised) mark(pen, 'revised', across(at - view.bar / 2, wide), bottom - 2);
      } else {
        pen.strokeStyle = ink('--look'); pen.lineWidth = 1;
        pen.beginPath();
        for (const at of revised) { pen.moveTo(across(at - view.bar / 2, wide), bottom); pen.lineTo(across(at - view.bar / 2, wide), bottom + 4); }
        pen.stroke();
      }
      if (cursor !== null && bars.bars[cursor]) {
        const x = across(bars.bars[cursor][0] - bars.level_ms / 2, wide);
        pen.strokeStyle = ink('--edge'); pen.lineWidth = 1;
        pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, bottom + band + 6); pen.stroke();
      }
      pen.restore();
      return inside.length;
    };
    const drawEquity = () => {
      const { pen, wide, high } = sheet(below);
      const lines = [[over.equity, '--own', []]];
      if (over.replay) lines.push([over.replay.equity, '--held', [6, 5]]);
      const range = scale(lines.flatMap(([points]) => points.map((at) => at[1])), 6, high - 6);
      axis({ pen, wide }, range, 3, (value) => price(value));
      pen.save();
      pen.beginPath(); pen.rect(0, 0, wide, high); pen.clip();
      for (const [points, colour, dashes] of lines) {
        pen.strokeStyle = ink(colour); pen.lineWidth = dashes.length ? 2 : 1.4; pen.setLineDash(dashes);
        pen.beginPath();
        points.forEach(([at, value], n) => (n ? pen.lineTo(across(at, wide), range.y(value)) : pen.moveTo(across(at, wide), range.y(value))));
        pen.stroke();
      }
      pen.restore();
    };
    const key = (draw, text) => {
      const swatch = make('canvas', { width: 44, height: 24 });
      const pen = swatch.getContext('2d');
      pen.scale(2, 2);
      draw(pen);
      swatch.setAttribute('aria-hidden', 'true');
      return make('li', {}, swatch, text);
    };
    const keys = () => {
      const line = (colour, dashes) => (pen) => {
        pen.strokeStyle = ink(colour); pen.lineWidth = 1.5; pen.setLineDash(dashes);
        pen.beginPath(); pen.moveTo(0, 6); pen.lineTo(22, 6); pen.stroke();
      };
      const drawn = [...new Set(over.fills.map((fill) => (fill.event === 'close' ? 'exit' : fill.side)))];
      const words = { long: 'long entry', short: 'short entry', exit: 'exit' };
      const out = ['long', 'short', 'exit'].filter((kind) => drawn.includes(kind)).map((kind) => key((pen) => mark(pen, kind, 11, 6), words[kind]));
      if (over.stops.length) out.push(key(line('--down', [4, 3]), 'stop'));
      if (bars.revised_ts_ms.length) out.push(key((pen) => mark(pen, 'revised', 11, 6), 'bar revised later'));
      reasons().forEach((reason, n) => out.push(key((pen) => hatch(pen, n, 0, 0, 22, 12), `skipped: ${reason}`)));
      out.push(key(line('--own', []), 'equity'));
      if (over.replay) out.push(key(line('--held', [6, 5]), 'equity of the replay'));
      legend.replaceChildren(...out);
      legend.hidden = false;
    };
    const table = () => {
      const head = make('tr', {}, ...['close, UTC', 'open', 'high', 'low', 'close', 'volume'].map((text, n) => make('th', { scope: 'col', className: n ? 'n' : '', textContent: text })));
      const row = ([at, ...values]) => make('tr', {}, make('th', { scope: 'row', textContent: utc(at) }), ...values.map((value) => make('td', { className: 'n', textContent: price(value) })));
      one('table.numbers', box).replaceChildren(make('thead', {}, head), make('tbody', {}, ...bars.bars.slice(-500).reverse().map(row)));
    };
    const draw = () => {
      if (!bars) return;
      const many = drawPrice();
      if (over) drawEquity();
      box.dataset.drawn = many;
      const fills = (over?.fills || []).filter((fill) => fill.ts_ms > view.from && fill.ts_ms <= view.to);
      const count = (event) => fills.filter((fill) => fill.event === event).length;
      // A stretch may reach beyond the picture; of one that was put together, only all of its slots are known.
      const inside = (one) => {
        const from = Math.max(one.from_ts_ms - view.bar, view.from), to = Math.min(one.to_ts_ms, view.to);
        return Math.max(0, Math.min(one.slots, Math.ceil((to - from) / view.bar)));
      };
      const skipped = (over?.skipped || []).reduce((sum, one) => sum + inside(one), 0);
      says.textContent = `${many_of(many, 'bar', 'bars')} of ${length(bars.level_ms)} drawn, ${utc(view.from)} to ${utc(view.to)} UTC; `
        + `${many_of(count('open'), 'entry', 'entries')}, ${many_of(count('close'), 'exit', 'exits')}, ${many_of(skipped, 'skipped slot', 'skipped slots')}. Prices and equity in ${quote}.`;
    };
    const read = () => {
      const bar = cursor === null ? null : bars?.bars[cursor];
      if (!bar) { readout.textContent = ''; return; }
      const [at, open, high, low, close, volume] = bar;
      readout.textContent = `${utc(at)}  open ${price(open)}  high ${price(high)}  low ${price(low)}  close ${price(close)}  volume ${price(volume)}`;
      box.dataset.cursor = at;
    };
    const load = async () => {
      const turn = ++asked;
      const max = Math.max(60, Math.min(2000, Math.floor((canvas.clientWidth - 70) / 3)));
      const air = view.to - view.from;
      const part = `from=${Math.round(view.from - air / 2)}&to=${Math.round(view.to + air / 2)}`;
      const get = async (what) => {
        const answer = await fetch(`${api}/${what}`);
        const document = await answer.json();
        if (!answer.ok) throw new Error(document.error);
        return document;
      };
      try {
        const found = await Promise.all([
          get(`bars?${part}&max=${max * 2}`),
          get(`over?${part}${replay ? `&replay=${encodeURIComponent(replay)}` : ''}`),
        ]);
        if (turn !== asked) return;
        const at = cursor === null ? null : bars.bars[cursor]?.[0];
        [bars, over] = found;
        view.last = Math.max(view.last, bars.last_ts_ms);
        cursor = at === null || at === undefined ? null : Math.max(0, bars.bars.findIndex((bar) => bar[0] >= at));
        keys();
        draw();
        read();
        if (one('details', box).open) table();
        box.dataset.ready = turn;
      } catch (error) {
        says.textContent = `the chart cannot be drawn: ${error.message}`;
      }
    };
    const soon = () => {
      draw();
      clearTimeout(wait);
      wait = setTimeout(load, 120);
    };
    const show = (from, to) => {
      const least = 12 * view.bar, most = view.last - view.first;
      let span = Math.min(Math.max(to - from, least), Math.max(most, least));
      const middle = (from + to) / 2;
      view.from = Math.max(view.first, Math.min(middle - span / 2, view.last - span));
      view.to = view.from + span;
      soon();
    };
    const zoom = (factor, at = (view.from + view.to) / 2) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);
    const shift = (ms) => show(view.from + ms, view.to + ms);
    const bring = (ms) => {
      const span = view.to - view.from;
      if (ms - view.bar < view.from || ms > view.to) show(ms - span / 2, ms + span / 2);
    };
    const point = (n) => {
      if (!bars || !bars.bars.length) return;
      cursor = Math.max(0, Math.min(bars.bars.length - 1, n));
      bring(bars.bars[cursor][0]);
      draw();
      read();
    };
    const under = (event) => {
      const wide = canvas.clientWidth - 70;
      const at = view.from + ((event.clientX - canvas.getBoundingClientRect().left) / wide) * (view.to - view.from);
      const n = bars ? bars.bars.findIndex((bar) => bar[0] >= at) : -1;
      return { at, n: n < 0 && bars ? bars.bars.length - 1 : n };
    };
    const ask = () => {
      if (cursor !== null && bars.bars[cursor]) why(`${page}/why?at=${Math.min(bars.bars[cursor][0], view.last)}`);
    };
    const nextTrade = (back) => {
      const here = cursor === null ? view.from : bars.bars[cursor][0];
      const fills = over ? over.fills.map((fill) => fill.ts_ms) : [];
      const goes = (at) => {
        const n = bars.bars.findIndex((bar) => bar[0] >= at);
        if (n >= 0) point(n);
      };
      const found = back ? fills.filter((at) => at < here - bars.level_ms).pop() : fills.find((at) => at > here);
      if (found !== undefined) goes(found);
      else readout.textContent = `no ${back ? 'earlier' : 'later'} trade near this part of time`;
    };

    let drag = null;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!drag) {
        cursor = under(event).n;
        draw();
        read();
        return;
      }
      const moved = event.clientX - drag.x;
      if (Math.abs(moved) > 4) drag.moved = true;
      if (!drag.moved) return;
      const ms = (moved / (canvas.clientWidth - 70)) * (drag.to - drag.from);
      show(drag.from - ms, drag.to - ms);
    });
    canvas.addEventListener('pointerup', (event) => {
      const was = drag;
      drag = null;
      if (!was || was.moved || !bars) return;
      cursor = under(event).n;
      draw();
      read();
      ask();
    });
    canvas.addEventListener('pointercancel', () => { drag = null; });
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) shift((event.deltaX / canvas.clientWidth) * (view.to - view.from));
      else zoom(event.deltaY > 0 ? 1.25 : 0.8, under(event).at);
    }, { passive: false });
    canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !bars) return;
      const here = cursor === null ? bars.bars.length : cursor;
      const acts = {
        ArrowLeft: () => point(here - 1), ArrowRight: () => point(here + 1),
        PageUp: () => shift(-DAY), PageDown: () => shift(DAY),
        Home: () => show(view.first, view.first + (view.to - view.from)), End: () => show(view.last - (view.to - view.from), view.last),
        '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2),
        t: () => nextTrade(false), T: () => nextTrade(event.shiftKey), Enter: ask,
      };
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    });
    box.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (!button) return;
      const { range, move, zoom: by } = button.dataset;
      if (range !== undefined) show(Number(range) ? view.last - Number(range) : view.first, view.last);
      if (move !== undefined) shift(Number(move) * (view.to - view.from) * 0.8);
      if (by !== undefined) zoom(Number(by));
    });
    one('details', box).addEventListener('toggle', (event) => { if (event.target.open && bars) table(); });
    new ResizeObserver(draw).observe(box);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (bars) { keys(); draw(); } });
    heard.push((row) => {
      const follows = view.to >= view.last - view.bar;
      view.last = Math.max(view.last, row.ts_ms);
      if (follows) show(view.last - (view.to - view.from), view.last);
    });
    load();
  };
  for (const box of all('.chart')) chart(box);
})();
