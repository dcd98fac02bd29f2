'use strict';

// The page fetches state.json, keys.json and rules.json once a second and shows what has changed between two of them. All text is set as
// text, never as markup.

const every = 1000; // ms between two looks
const kept = 120;   // points of a chart
const history = {rate: [], ratio: [], slow: [], failovers: []};
let last = null;    // the state before
let failures = 0;

const byId = id => document.getElementById(id);

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

const units = ['', 'k', 'M', 'G', 'T'];
function short(x) {
  if (!isFinite(x)) return '–';
  let i = 0;
  while (Math.abs(x) >= 1000 && i < units.length - 1) { x /= 1000; i++; }
  return (x >= 100 || x === Math.round(x) ? Math.round(x) : x.toPrecision(2)) + units[i];
}
const percent = x => isFinite(x) ? (100 * x).toFixed(x > 0.9995 || x === 0 ? 0 : 1) + ' %' : '–';
function time(us) {
  if (!isFinite(us)) return '–';
  return us < 1000 ? Math.round(us) + ' µs' : us < 1e6 ? (us / 1000).toPrecision(3) + ' ms' : (us / 1e6).toPrecision(3) + ' s';
}

// quantile returns the end of the bucket that a part q of what came since `before` lies in, in µs.
function quantile(q, now, before) {
  const old = new Map(before || []);
  const fresh = now.map(([end, n]) => [end < 0 ? Infinity : end, n - (old.get(end) || 0)]);
  const total = fresh.reduce((sum, [, n]) => sum + n, 0);
  let seen = 0;
  for (const [end, n] of fresh) {
    seen += n;
    if (n > 0 && seen >= q * total) return end;
  }
  return NaN;
}

// merge adds the buckets of all nodes.
function merge(lists) {
  const all = new Map();
  for (const list of lists) for (const [end, n] of list) all.set(end, (all.get(end) || 0) + n);
  return [...all].sort((a, b) => (a[0] < 0) - (b[0] < 0) || a[0] - b[0]);
}

function chart(id, points) {
  const svg = byId(id);
  const known = points.map(p => isFinite(p) ? p : 0);
  const top = Math.max(...known, 1e-9);
  const line = known.map((p, i) => `${(kept - known.length + i) * 100 / (kept - 1)},${46 - 44 * p / top}`).join(' ');
  svg.setAttribute('viewBox', '0 0 100 48');
  svg.setAttribute('preserveAspectRatio', 'none');
  const ns = 'http://www.w3.org/2000/svg';
  const polyline = document.createElementNS(ns, 'polyline');
  polyline.setAttribute('points', line);
  const area = document.createElementNS(ns, 'polygon');
  area.setAttribute('points', `${(kept - known.length) * 100 / (kept - 1)},48 ${line} 100,48`);
  svg.replaceChildren(area, polyline);
}

function remember(name, value) {
  history[name].push(value);
  if (history[name].length > kept) history[name].shift();
}

// rows fills a table; each row is a list of cells: text, or [text, class], or an element.
function rows(id, list, empty) {
  const body = byId(id).tBodies[0];
  const made = list.map(cells => {
    const tr = element('tr');
    for (const cell of cells) {
      if (cell instanceof Node) { const td = element('td'); td.append(cell); tr.append(td); continue; }
      tr.append(Array.isArray(cell) ? element('td', cell[0], cell[1]) : element('td', cell));
    }
    return tr;
  });
  if (made.length === 0) {
    const td = element('td', empty, 'empty');
    td.colSpan = 20;
    const tr = element('tr');
    tr.append(td);
    made.push(tr);
  }
  body.replaceChildren(...made);
}

// delta returns a function that says by how much a counter of a node grew in a second.
function delta(state) {
  const seconds = last ? (Date.parse(state.time) - Date.parse(last.time)) / 1000 : NaN;
  const before = new Map(last ? last.nodes.map(n => [n.name, n]) : []);
  return {before, of: (node, field) => {
    const old = before.get(node.name);
    return old && node[field] >= old[field] ? (node[field] - old[field]) / seconds : NaN;
  }};
}

const sum = (list, f) => list.reduce((total, x) => total + (isFinite(f(x)) ? f(x) : 0), 0);

function showTotals(state, d) {
  const rate = sum(state.nodes, n => d.of(n, 'requests'));
  const hits = sum(state.nodes, n => d.of(n, 'hits')), misses = sum(state.nodes, n => d.of(n, 'misses'));
  const slow = quantile(0.99, merge(state.nodes.map(n => n.latency)), last && merge(last.nodes.map(n => n.latency)));
  const failovers = sum(state.nodes, n => d.of(n, 'failovers'));
  if (last) {
    remember('rate', rate); remember('ratio', hits / (hits + misses)); remember('slow', slow); remember('failovers', failovers);
    byId('rate').textContent = short(rate) + '/s';
    byId('ratio').textContent = percent(hits / (hits + misses));
    byId('slow').textContent = time(slow);
    byId('failovers').textContent = short(failovers) + '/s';
    chart('rateChart', history.rate); chart('ratioChart', history.ratio); chart('slowChart', history.slow); chart('failoverChart', history.failovers);
  }
}

function showNodes(state, d) {
  rows('nodes', state.nodes.map(n => {
    const old = d.before.get(n.name);
    const hits = d.of(n, 'hits'), misses = d.of(n, 'misses');
    const name = element('span', n.name + (n.zone ? ' · ' + n.zone : ''));
    if (n.name === state.local || n.zone && n.zone === state.local) name.append(element('span', ' local', 'local'));
    const nodeState = element('span', n.state, 'state ' + n.state);
    if (n.ejected) nodeState.append(element('span', ', ejected', 'down'));
    if (n.slow) nodeState.append(element('span', ', slow', 'slow'));
    if (n.reason) nodeState.append(element('span', ' ' + n.reason, 'why'));
    return [name, nodeState, [percent(n.homes), 'n'], [short(d.of(n, 'requests')), 'n'], [percent(hits / (hits + misses)), 'n'],
      [time(quantile(0.5, n.latency, old && old.latency)), 'n'], [time(quantile(0.99, n.latency, old && old.latency)), 'n'],
      [short(d.of(n, 'bytesIn')) + 'B', 'n'], [short(d.of(n, 'bytesOut')) + 'B', 'n'], [short(n.failovers), 'n'], [short(n.ejections), 'n'],
      [String(n.owed), 'n'], [String(n.missed), 'n']];
  }), 'no nodes');
}

function what(e) {
  switch (e.kind) {
    case 'view_changed': return (e.nodes || 0) + ' nodes' + (e.local ? ', local ' + e.local : '');
    case 'rules_changed': return (e.rules || 0) + ' rules';
  }
  return '';
}

function showEvents(state) {
  const row = e => [new Date(e.time).toLocaleTimeString(), e.kind.replaceAll('_', ' '), [[e.node, e.error || what(e)].filter(Boolean).join(' · '), 'why']];
  rows('events', state.events.map(row), 'nothing yet');
  const past = state.views.concat(state.rules).sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
  rows('history', past.map(row), 'nothing yet');
}

const name = k => k.key || k.template || (k.key_base64 ? 'base64 ' + k.key_base64 : '#' + k.id);

function showRules(report) {
  rows('rules', report.rules.map(r => [[name(r) + (r.of === 'prefix' ? ' …' : ''), 'key'], r.do + (r.nodes ? ': ' + r.nodes.join(', ') : ''), r.origin,
    r.expires ? new Date(r.expires).toLocaleTimeString() : '']), 'no key has one');
  const parts = [];
  if (report.total > report.rules.length) parts.push(`${report.rules.length} of ${report.total}`);
  if (report.store && report.store.failures) parts.push(`the store fails: ${report.store.error}`);
  byId('ruleStore').textContent = parts.join(' · ');
}

function showKeys(report) {
  const ratio = k => k.hit_ratio === undefined ? '–' : percent(k.hit_ratio);
  rows('hot', report.keys.map(k => [[name(k), 'key'], [percent(k.share), 'n'], [k.fleet_share ? percent(k.fleet_share) : '–', 'n'], [short(k.ops_per_second), 'n'], [short(k.bytes_per_second), 'n'],
    [ratio(k), 'n'], [k.home || '', 'name'], k.remedy || (k.hot_since ? 'hot' : ''), k.origin || '']), 'none is hot');
  rows('missed', report.missed.concat(report.families).map(k => [[name(k), 'key'], [short(k.misses_per_second), 'n'], [ratio(k), 'n'], [k.home || '', 'name']]),
    'nothing is missed');
}

function summarize(state) {
  const well = state.nodes.filter(n => n.state === 'up' || n.state === 'idle').length;
  const parts = [state.kind, `${well} of ${state.nodes.length} nodes well`];
  if (state.local) parts.push(`local ${state.local} (${state.localBy})`);
  if (state.discovery && state.discovery.failures) parts.push(`discovery fails: ${state.discovery.error}`);
  if (state.loads.Loads) parts.push(`${short(state.loads.Loads)} loads, ${short(state.loads.Errors)} failed`);
  byId('summary').textContent = parts.join(' · ');
  byId('summary').classList.remove('stale');
}

async function fetchJSON(path) {
  const response = await fetch(path, {cache: 'no-store'});
  return {ok: response.ok, body: await response.json()};
}

async function look() {
  try {
    const [state, keys, rules] = await Promise.all([fetchJSON('state.json'), fetchJSON('keys.json'), fetchJSON('rules.json')]);
    const d = delta(state.body);
    showTotals(state.body, d);
    showNodes(state.body, d);
    showEvents(state.body);
    showKeys(keys.body);
    showRules(rules.body);
    summarize(state.body);
    last = state.body;
    failures = 0;
    document.body.dataset.looks = Number(document.body.dataset.looks || 0) + 1;
  } catch (err) {
    failures++;
    byId('summary').textContent = `no answer for ${failures} s; what is shown is old`;
    byId('summary').classList.add('stale');
  }
  setTimeout(look, every);
}

async function explain(key) {
  const {ok, body} = await fetchJSON('explain.json?key=' + encodeURIComponent(key));
  byId('answer').textContent = ok ? body.text : body.error;
}

byId('ask').addEventListener('submit', event => {
  event.preventDefault();
  explain(byId('key').value).catch(err => { byId('answer').textContent = String(err); });
});

const asked = new URLSearchParams(location.hash.slice(1)).get('explain'); // so that an answer can be linked to
if (asked) {
  byId('key').value = asked;
  explain(asked).catch(err => { byId('answer').textContent = String(err); });
}
look();
