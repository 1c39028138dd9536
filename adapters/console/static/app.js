// The page's behaviour: sends questions, follows answers as they grow, rates them. No framework, no build.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const body = document.body;
const texts = JSON.parse(body.dataset.texts ?? "{}");

// ------------------------------------------------------------------------------------------------------ the server

class Refusal extends Error {}

async function post(path, payload, { key } = {}) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": $("meta[name=csrf-token]")?.content ?? "" };
  if (key) Object.assign(headers, { "Idempotency-Key": key, Prefer: "respond-async" });
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(payload) });
  const answer = await response.json().catch(() => ({}));
  if (response.status === 503) throw new Error(answer.error);
  if (!response.ok) throw new Refusal(answer.error ?? texts.not_done);
  return answer;
}

// A call with a key may be repeated: it is carried out once. So an outage of seconds passes unnoticed.
async function postPatiently(path, payload, failure) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const pause of [0, 1, 2, 4, 8]) {
    if (pause) linkState(texts.retrying);
    await sleep(pause);
    try {
      return await post(path, payload, { key });
    } catch (error) {
      if (error instanceof Refusal) throw error;
    } finally {
      linkState("");
    }
  }
  throw new Refusal(failure);
}

// ---------------------------------------------------------------------------------------------------- small notices

function toast(sentence, isError = false) {
  const note = document.createElement("p");
  note.className = isError ? "toast error" : "toast";
  note.textContent = sentence;
  $("#toasts").append(note);
  setTimeout(() => note.remove(), isError ? 9000 : 4000);
}

function linkState(sentence) {
  const line = $("#link-state");
  line.textContent = sentence;
  line.hidden = !sentence;
}

function announce(sentence) {
  $("#announcer").textContent = sentence;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    toast(texts.copy_failed, true);
    return;
  }
  announce(texts.copied);
  button.classList.add("done");
  const label = button.matches(".copy") ? button.textContent : null;
  if (label !== null) button.textContent = texts.copied;
  setTimeout(() => {
    button.classList.remove("done");
    if (label !== null) button.textContent = label;
  }, 1600);
}

// ---------------------------------------------------------------------------------------------------------- sign-in

function openSignIn(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = $("#sign-in-error");
    try {
      await post("/sign-in", { token: form.token.value });
      location.reload();
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
      form.token.select();
    }
  });
}

// ------------------------------------------------------------------------------------------------------ the exchanges

const isGrowing = (exchange) => exchange.dataset.events !== "" || exchange.dataset.state === "sending";

function addExchange(question) {
  const exchange = $("#mould").content.firstElementChild.cloneNode(true);
  const waits = $$(".exchange").some(isGrowing);
  $(".question p", exchange).textContent = question;
  exchange.dataset.state = "sending";
  note(exchange, waits ? texts.waiting : texts.sent);
  $("#empty")?.remove();
  $("#log").append(exchange);
  toEnd();
  return exchange;
}

function note(exchange, sentence) {
  $(".note", exchange).hidden = !sentence;
  $(".note-text", exchange).textContent = sentence;
}

function show(exchange, view) {
  const fresh = document.createElement("template");
  fresh.innerHTML = view.html; // made by the server, free of foreign HTML
  const wasAtEnd = isAtEnd();
  patch($(".words", exchange), fresh.content);
  note(exchange, view.note);
  $(".label", exchange).textContent = view.label;
  $(".thoughts", exchange).hidden = !view.has_reasoning;
  exchange.dataset.state = view.state;
  if (wasAtEnd) toEnd();
}

// What was thought is fetched once, when somebody wants to see it.
async function showThoughts(exchange) {
  const reply = exchange.dataset.reply;
  const thought = $(".thought", exchange);
  if (!$(".thoughts", exchange).open || thought.hasChildNodes()) return;
  try {
    const fetched = await fragment(`/replies/${reply}/reasoning`);
    if (exchange.dataset.reply === reply) thought.replaceChildren(fetched);
  } catch {
    $(".thoughts", exchange).open = false;
    toast(texts.not_done, true);
  }
}

function forgetThoughts(exchange) {
  $(".thoughts", exchange).hidden = true;
  $(".thoughts", exchange).open = false;
  $(".thought", exchange).replaceChildren();
}

// Only what differs is touched, so that a selection, a scrolled block or a focus survives the next words.
function patch(old, fresh) {
  const nodes = [...fresh.childNodes];
  nodes.forEach((node, index) => {
    const was = old.childNodes[index];
    if (!was) old.append(node);
    else if (was.isEqualNode(node)) return;
    else if (was.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) was.data = node.data;
    else if (was.cloneNode(false).isEqualNode(node.cloneNode(false))) patch(was, node);
    else was.replaceWith(node);
  });
  while (old.childNodes.length > nodes.length) old.lastChild.remove();
}

// --------------------------------------------------------------------------------------------- following the answers

let followed = null;

// One at a time and in order, as they are answered: a browser opens few connections to one host.
function followNext() {
  if (followed) return;
  const exchange = $$(".exchange").find((each) => each.dataset.events !== "");
  if (exchange) follow(exchange);
  showStop();
}

function follow(exchange) {
  const source = new EventSource(exchange.dataset.events);
  followed = { exchange, source };
  source.onopen = () => linkState("");
  source.onerror = async () => {
    linkState(texts.reconnecting);
    if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
    const status = await statusOf(exchange.dataset.events);
    if (status === 401) return location.reload();
    if (status >= 400 && status < 500) {
      exchange.dataset.events = "";
      exchange.dataset.state = "failed";
      note(exchange, texts.gone);
      linkState("");
    } else {
      await sleep(2);
    }
    release(source);
  };
  source.addEventListener("draft", (event) => show(exchange, JSON.parse(event.data)));
  source.addEventListener("done", (event) => {
    show(exchange, JSON.parse(event.data));
    exchange.dataset.events = "";
    announce(`${texts.finished} ${$(".words", exchange).textContent}`.slice(0, 2000));
    linkState("");
    release(source);
  });
}

// What a stream that was refused was refused with; 0 where nobody answers.
async function statusOf(url) {
  const ending = new AbortController();
  try {
    return (await fetch(url, { signal: ending.signal })).status;
  } catch {
    return 0;
  } finally {
    ending.abort();
  }
}

function release(source) {
  source.close();
  if (followed?.source === source) followed = null;
  followNext();
}

// ------------------------------------------------------------------------------------------------- asking and stopping

let sending = Promise.resolve();

function ask(question) {
  const exchange = addExchange(question);
  showStop();
  // One after the other: the first question of a chat gives the thread that the next ones name.
  sending = sending.then(() => send(question, exchange));
}

async function send(question, exchange) {
  const thread = body.dataset.thread;
  try {
    const answer = await postPatiently("/chat", { prompt: question, ...(thread && { thread }) }, texts.offline);
    if (answer.response !== undefined) {
      exchange.remove();
      toast(answer.response);
    } else {
      settleAt(exchange, answer);
      if (!thread) enter(answer.thread, question);
      refreshSide();
    }
  } catch (error) {
    exchange.remove();
    giveBack(question);
    toast(error.message, true);
  }
  followNext();
}

function settleAt(exchange, answer) {
  exchange.dataset.reply = answer.reply_id;
  exchange.dataset.events = answer.events;
  exchange.dataset.state = "waiting";
}

function enter(thread, question) {
  body.dataset.thread = thread;
  document.title = `${question.slice(0, 80)} · ${document.title}`;
  history.replaceState(null, "", `/t/${thread}`);
}

async function stop() {
  const thread = body.dataset.thread;
  if (!thread || !$$(".exchange").some(isGrowing)) return;
  $("#stop").disabled = true;
  try {
    await post("/stop", { thread });
  } catch (error) {
    toast(error.message || texts.not_done, true);
  } finally {
    $("#stop").disabled = false;
  }
}

// The same question once more, or what its answer asked for: either way another answer takes its place.
async function answerAnew(exchange, path) {
  if (isGrowing(exchange)) return;
  const state = exchange.dataset.state;
  exchange.dataset.state = "sending"; // hides the buttons, so that none of them means the answer that goes
  try {
    const answer = await postPatiently(path, { reply_id: exchange.dataset.reply }, texts.not_done);
    settleAt(exchange, answer);
    $(".words", exchange).replaceChildren();
    $(".label", exchange).textContent = "";
    forgetThoughts(exchange);
    $(".said span", exchange).textContent = "";
    $(".said", exchange).hidden = true;
    $(".feedback", exchange).hidden = true;
    $$("[aria-pressed]", exchange).forEach((button) => button.setAttribute("aria-pressed", "false"));
    note(exchange, followed ? texts.waiting : texts.sent);
    followNext();
  } catch (error) {
    exchange.dataset.state = state;
    toast(error.message, true);
  }
}

function showStop() {
  $("#stop").hidden = !$$(".exchange").some(isGrowing);
}

// ------------------------------------------------------------------------------------------------------------ ratings

async function rate(exchange, rating, more = {}) {
  try {
    await post("/feedback", { reply_id: exchange.dataset.reply, rating, ...more });
    return true;
  } catch (error) {
    toast(error.message || texts.not_done, true);
    return false;
  }
}

async function clickThumb(exchange, button) {
  const isTakenBack = button.getAttribute("aria-pressed") === "true";
  const rating = isTakenBack ? "none" : button.dataset.rating;
  if (!(await rate(exchange, rating))) return;
  $$(".rate", exchange).forEach((each) => each.setAttribute("aria-pressed", String(each === button && !isTakenBack)));
  const form = $(".feedback", exchange);
  form.hidden = isTakenBack;
  if (isTakenBack) {
    toast(texts.withdrawn);
    return;
  }
  form.dataset.rating = rating;
  $(".why", form).textContent = rating === "up" ? texts.why_good : texts.why_bad;
  $(".chips", form).hidden = rating === "up";
  $(rating === "up" ? ".comment" : ".chip", form).focus({ preventScroll: true });
  form.scrollIntoView({ block: "nearest" });
}

async function sendFeedback(exchange, form) {
  const comment = $(".comment", form).value.trim();
  const reason = $(".chip[aria-pressed=true]:not([hidden])", form)?.dataset.reason;
  const isDown = form.dataset.rating === "down";
  const more = { ...(comment && { comment }), ...(isDown && reason && { reason }) };
  if (!(await rate(exchange, form.dataset.rating, more))) return;
  form.hidden = true;
  $(".comment", form).value = "";
  const said = $(".said span", exchange);
  said.textContent = [said.textContent, comment].filter(Boolean).join("\n"); // comments add up
  $(".said", exchange).hidden = !said.textContent;
  toast(texts.thanks);
  $("#prompt").focus();
}

// --------------------------------------------------------------------------------------------------- the box to write in

const box = $("#prompt");

function fit() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
  $("#send").disabled = !box.value.trim();
  sessionStorage.setItem(`draft ${body.dataset.thread}`, box.value);
}

function submit() {
  const question = box.value.trim();
  if (!question) return;
  box.value = "";
  fit();
  ask(question);
}

function giveBack(question) {
  box.value = box.value ? `${question}\n${box.value}` : question;
  fit();
}

// --------------------------------------------------------------------------------------------------------- scrolling

const scroller = $("#scroll");
const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
const toEnd = () => { scroller.scrollTop = scroller.scrollHeight; };

// ---------------------------------------------------------------------------------------------------- the side list

async function fragment(url) {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Refusal(texts.not_done);
  const mould = document.createElement("template");
  mould.innerHTML = await response.text();
  return mould.content;
}

async function refreshSide() {
  try {
    $("#threads").replaceChildren(await fragment(`/side?thread=${body.dataset.thread}`));
  } catch {
    // The list is a convenience: the next question brings it up to date.
  }
}

async function showOlderThreads(button) {
  const before = encodeURIComponent(button.dataset.before);
  const older = await fragment(`/side?thread=${body.dataset.thread}&before=${before}`);
  button.replaceWith(...$$("ul, button", older));
}

async function showEarlier(button) {
  const height = scroller.scrollHeight;
  const earlier = await fragment(`/t/${body.dataset.thread}/earlier?before=${button.dataset.before}`);
  button.replaceWith(earlier);
  scroller.scrollTop += scroller.scrollHeight - height;
}

function openMenu(isOpen) {
  body.classList.toggle("menu", isOpen);
  $("#veil").hidden = !isOpen;
  $(".menu-open").setAttribute("aria-expanded", String(isOpen));
  $(isOpen ? ".menu-close" : ".menu-open").focus();
}

// --------------------------------------------------------------------------------------------------------- the looks

function switchTheme() {
  const isDark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = isDark ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `parley_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Strict`;
}

async function awaitModel() {
  while ($("#model").dataset.ready === "false") {
    await sleep(2);
    const model = await fetch("/model").then((response) => response.json()).catch(() => ({}));
    if (model.is_ready && !box.value && !$(".exchange")) location.reload();
    else if (model.is_ready) {
      $("#model").dataset.ready = "true";
      $("#model .model-name").textContent = model.name;
      $("#banner")?.remove();
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ wiring

const clicks = {
  ".example": (button) => ask(button.textContent),
  ".copy": (button) => copy($("code", button.closest("figure")).textContent, button),
  ".copy-answer": (button) => copy($(".words", button.closest(".exchange")).innerText, button),
  ".again": (button) => answerAnew(button.closest(".exchange"), "/regenerate"),
  ".confirm": (button) => answerAnew(button.closest(".exchange"), "/confirm"),
  ".rate": (button) => clickThumb(button.closest(".exchange"), button),
  ".feedback .close": (button) => { button.closest(".feedback").hidden = true; },
  ".chip": (button) => {
    const isOn = button.getAttribute("aria-pressed") === "true";
    $$(".chip", button.parentElement).forEach((chip) => chip.setAttribute("aria-pressed", String(chip === button && !isOn)));
  },
  "#stop": () => stop(),
  "#theme": () => switchTheme(),
  "#to-end": () => toEnd(),
  "#older-threads": (button) => showOlderThreads(button).catch((error) => toast(error.message, true)),
  ".earlier": (button) => showEarlier(button).catch((error) => toast(error.message, true)),
  ".menu-open": () => openMenu(true),
  ".menu-close": () => openMenu(false),
  "#veil": () => openMenu(false),
  "#sign-out": () => post("/sign-out", {}).then(() => location.assign("/")).catch((error) => toast(error.message, true)),
};

function openChat() {
  document.addEventListener("click", (event) => {
    for (const [selector, act] of Object.entries(clicks)) {
      const target = event.target.closest(selector);
      if (target) return void act(target);
    }
  });
  document.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.target.matches("#composer")) submit();
    else if (event.target.matches(".feedback")) sendFeedback(event.target.closest(".exchange"), event.target);
  });
  // It does not bubble, so it is caught on its way down.
  document.addEventListener("toggle", (event) => {
    if (event.target.matches(".thoughts")) showThoughts(event.target.closest(".exchange"));
  }, true);
  box.addEventListener("input", fit);
  box.addEventListener("keydown", (event) => {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    if (body.classList.contains("menu")) openMenu(false);
    else stop();
  });
  scroller.addEventListener("scroll", () => { $("#to-end").hidden = isAtEnd(); }, { passive: true });
  box.value = sessionStorage.getItem(`draft ${body.dataset.thread}`) ?? "";
  fit();
  toEnd();
  $$(".exchange").filter(isGrowing).slice(1).forEach((exchange) => note(exchange, texts.waiting));
  followNext();
  awaitModel();
}

if ($("#composer")) openChat();
else if ($("#sign-in")) openSignIn($("#sign-in"));
