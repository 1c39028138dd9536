// Keeps the figures of the live page fresh: while somebody sees it, they are fetched every few seconds.
"use strict";
(() => {
  const live = document.getElementById("live");
  const away = document.getElementById("away");
  const over = document.getElementById("over");
  const pause = document.getElementById("pause");
  const every = Number(live.dataset.every) * 1000;
  let timer = 0;
  let failures = 0;
  let isPaused = false;
  let isOver = false;
  let isAsking = false;

  const isLive = () => !isPaused && !isOver && !document.hidden;

  function later() {
    clearTimeout(timer);
    if (isLive()) timer = setTimeout(refresh, Math.min(every * 2 ** failures, 60000));
  }

  async function refresh() {
    clearTimeout(timer);
    if (isAsking || !isLive()) return;
    isAsking = true;
    try {
      const answer = await fetch(live.dataset.from, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return end();
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.text());
      failures = 0;
    } catch {
      failures = Math.min(failures + 1, 4);
    } finally {
      isAsking = false;
      away.hidden = isOver || !failures;
      later();
    }
  }

  function end() {
    isOver = true;
    over.hidden = false;
    pause.hidden = true;
  }

  // What somebody points at, or has selected, stays until they leave it.
  function isInUse(section) {
    const selection = getSelection();
    const isSelected = !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(section);
    return isSelected || section.querySelector(".hit:hover") !== null;
  }

  function show(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const section of fresh.content.querySelectorAll("section")) {
      const old = document.getElementById(section.id);
      if (!old || isInUse(old)) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      const moved = [...old.querySelectorAll(".table")].map((table) => [table.id, table.scrollLeft]);
      old.replaceChildren(...section.childNodes);
      for (const [id, left] of moved) document.getElementById(id)?.scrollTo({ left });
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
  }

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? pause.dataset.goOn : pause.dataset.pause;
    if (isPaused) clearTimeout(timer);
    else refresh();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  pause.hidden = false;
  later();
})();
