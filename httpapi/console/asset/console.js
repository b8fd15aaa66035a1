// What the server cannot do: refresh the live parts of a page, open dialogs, copy, keys, the tail, charts. Nothing a record holds is ever run.
"use strict";
(() => {
  const every = 2000; // no page asks more often
  const $ = (sel, at) => (at || document).querySelector(sel);
  const $$ = (sel, at) => [...(at || document).querySelectorAll(sel)];
  const root = () => document.body.dataset.root || "./";

  // --- live parts: [data-live] elements with an id are replaced by what the same page has now
  const stored = (k, v) => { try { return v === undefined ? sessionStorage.getItem(k) : sessionStorage.setItem(k, v); } catch { return null; } };
  let paused = stored("holt.paused") === "1", busy = false, last = Date.now();

  const inUse = el => el.contains(document.activeElement) && document.activeElement.matches("input,select,textarea,button,summary") ||
    $("details[open]", el) || $("input:checked", el) || (getSelection() && !getSelection().isCollapsed && el.contains(getSelection().anchorNode));

  async function refresh() {
    const parts = $$("[data-live][id]");
    if (busy || !parts.length) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Holt-Live": "1" }, cache: "no-store", redirect: "manual" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const el of parts) {
        const now = fresh.getElementById(el.id);
        if (now && !inUse(el) && now.innerHTML !== el.innerHTML) {
          el.replaceWith(document.adoptNode(now));
          if (window.htmx) htmx.process(document.getElementById(el.id));
          boot(document.getElementById(el.id));
        }
      }
      last = Date.now();
      document.body.dataset.refreshed = String(last);
    } catch { /* the server is away: the next turn tries again */ } finally { busy = false; }
  }
  setInterval(() => { if (!paused && !document.hidden && !$("dialog[open]")) refresh(); }, every);

  function showPaused() {
    const b = $("#pause");
    if (!b) return;
    b.setAttribute("aria-pressed", paused ? "true" : "false");
    b.title = paused ? "Live updates are paused (p)" : "Updates every 2 s (p pauses)";
  }
  function togglePause() { paused = !paused; stored("holt.paused", paused ? "1" : "0"); showPaused(); document.dispatchEvent(new Event("holt:paused")); if (!paused) refresh(); }

  // --- theme: kept in a cookie, so that the server sends the right page at once
  function toggleTheme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const next = dark ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    const path = new URL(root(), location.href).pathname;
    document.cookie = "holt_theme=" + next + "; path=" + path + "; max-age=31536000; samesite=strict";
    document.dispatchEvent(new Event("holt:theme"));
  }

  // --- dialogs
  function openDialog() { const d = $("#dialog"); if (d && !d.open) d.showModal(); const first = $("[autofocus],textarea,input:not([type=hidden]),button.primary", d); if (first) first.focus(); }
  document.addEventListener("htmx:afterSwap", e => { if (e.target.id === "dialog-body") openDialog(); });
  document.addEventListener("holt:changed", () => { $$("#picked input:checked").forEach(c => { c.checked = false; }); setTimeout(refresh, 50); });
  document.addEventListener("click", e => {
    const t = e.target.closest("[data-close],[data-copy],[data-all],#pause,#theme,[data-stop],[data-pick]");
    if (!t) { if (e.target.id === "dialog") e.target.close(); return; }
    if (t.id === "pause") togglePause();
    else if (t.id === "theme") toggleTheme();
    else if (t.hasAttribute("data-close")) { const d = t.closest("dialog"); if (d) { e.preventDefault(); d.close(); $("#dialog-body").replaceChildren(); refresh(); } else if (t.tagName !== "A") history.back(); }
    else if (t.hasAttribute("data-all")) $$("input[type=checkbox][name=" + t.dataset.all + "]").forEach(c => { c.checked = t.checked; });
    else if (t.hasAttribute("data-stop")) { const m = $("#more"); if (m) { htmx.trigger(m, "htmx:abort"); m.remove(); } t.remove(); }
    else if (t.hasAttribute("data-copy")) copy(t);
  });
  async function copy(b) {
    const text = document.getElementById(b.dataset.copy).textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      const a = document.createElement("textarea"); a.value = text; (b.closest("dialog") || document.body).append(a); a.select(); document.execCommand("copy"); a.remove();
    }
    const was = b.textContent; b.textContent = "Copied"; setTimeout(() => { b.textContent = was; }, 1200);
  }

  // --- keys
  document.addEventListener("keydown", e => {
    const typing = e.target instanceof Element && e.target.matches("input,textarea,select");
    if (e.key === "Escape" && e.target.id === "q") { e.target.blur(); return; }
    if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/") { e.preventDefault(); const q = $("#q"); q.focus(); q.select(); }
    else if (e.key === "p" && $("#pause")) togglePause();
  });

  // --- live tail
  function tail(el) {
    const rows = $("tbody", el), state = $("#tail-state"), max = 500;
    let source, waiting = [];
    const show = () => {
      if (!waiting.length || paused) return;
      const t = document.createElement("template");
      t.innerHTML = waiting.splice(0).reverse().join("");
      rows.prepend(t.content);
      while (rows.children.length > max) rows.lastElementChild.remove();
    };
    const start = () => {
      source = new EventSource(el.dataset.tail);
      source.onopen = () => { state.textContent = "connected"; };
      source.onerror = () => { state.textContent = "reconnecting…"; };
      source.addEventListener("rows", e => { waiting.push(JSON.parse(e.data)); if (waiting.length > max) waiting.splice(0, waiting.length - max); show(); });
      source.addEventListener("count", e => { $("#tail-count").textContent = e.data; });
      source.addEventListener("gone", e => { state.textContent = e.data; source.close(); });
    };
    const stop = () => { if (source) source.close(); source = null; };
    start();
    document.addEventListener("holt:paused", () => { if (paused) { stop(); state.textContent = "paused"; } else start(); });
    if (paused) { stop(); state.textContent = "paused"; }
    addEventListener("pagehide", stop);
  }

  // --- charts: data come from the console itself as [[times], [values], …]
  async function chart(el) {
    if (!window.uPlot) return;
    const css = n => getComputedStyle(document.documentElement).getPropertyValue(n).trim();
    const unit = el.dataset.unit || "";
    const of = (v, size, name) => (v / size).toFixed(1).replace(/\.0$/, "") + name;
    const short = (v, top) => v == null ? "" : (top >= 1e9 ? of(v, 1e9, "G") : top >= 1e6 ? of(v, 1e6, "M") : top >= 1e4 ? of(v, 1e3, "k") : top >= 100 || v === Math.round(v) ? Math.round(v).toLocaleString("en") : v.toFixed(v < 1 ? 2 : 1)) + unit;
    const ticks = vs => { const top = Math.max(...vs.map(Math.abs)); return vs.map(v => v ? short(v, top < 1e4 ? Math.abs(v) : top) : "0"); };
    const two = n => String(n).padStart(2, "0");
    const clock = (t, seconds) => { const d = new Date(t * 1000); return two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()) + (seconds ? ":" + two(d.getUTCSeconds()) : ""); };
    let data, plot;
    const load = async () => { const a = await fetch(el.dataset.chart, { cache: "no-store" }); if (a.ok) data = await a.json(); };
    const draw = () => {
      if (!data || !data.times.length) { el.classList.add("empty"); el.textContent = "No samples yet: one comes every 10 s."; return; }
      el.classList.remove("empty");
      const axis = { stroke: css("--text-3"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
      const opts = {
        width: el.clientWidth, height: 160, cursor: { y: false }, padding: [8, 26, 0, 0],
        scales: { y: { range: (u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
        axes: [{ ...axis, size: 30, space: 64, values: (u, ts, i, space, step) => ts.map(t => clock(t, step < 60)) }, { ...axis, size: 52, values: (u, vs) => ticks(vs) }],
        series: [{ label: "at", value: (u, v) => v == null ? "" : clock(v, true) }].concat(data.series.map(s => ({ label: s.name, stroke: css("--" + s.color), width: 1.5, fill: data.series.length === 1 ? css("--" + s.color) + "22" : undefined, points: { show: false }, value: (u, v) => short(v, Math.abs(v)) }))),
      };
      const rows = [data.times].concat(data.series.map(s => s.values));
      el.replaceChildren();
      plot = new uPlot(opts, rows, el);
    };
    await load(); draw();
    document.addEventListener("holt:theme", draw);
    new ResizeObserver(() => { if (plot && Math.abs(plot.width - el.clientWidth) > 2) plot.setSize({ width: el.clientWidth, height: 160 }); }).observe(el);
    setInterval(async () => { if (!paused && !document.hidden) { await load(); if (plot && data.times.length) plot.setData([data.times].concat(data.series.map(s => s.values))); else draw(); } }, 10000);
  }

  function boot(at) {
    $$("[data-tail]", at).forEach(tail);
    $$("[data-chart]", at).forEach(chart);
  }
  // on a narrow screen the navigation and the tabs are rows that scroll: show where one is
  function showCurrent() { for (const a of $$("nav [aria-current]")) { const row = a.closest("nav"); row.scrollLeft = a.offsetLeft - row.offsetLeft - (row.clientWidth - a.offsetWidth) / 2; } }
  document.addEventListener("DOMContentLoaded", () => { showPaused(); showCurrent(); boot(document); });
})();
