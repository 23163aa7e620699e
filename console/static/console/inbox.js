"use strict";

/* The inbox polls for news by itself (htmx); a tab that nobody looks at does not. Nor is the list exchanged
   under somebody who types into its search: what they have typed would be gone, and the rest be shortcuts. */
document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (isPoll(elt) && (document.hidden || wouldInterrupt(elt))) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
    if (wouldInterrupt(event.detail.requestConfig.elt)) event.detail.shouldSwap = false;
});

/* Whoever is not signed in any more gets the sign-in page, whole. */
document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, requestConfig, xhr } = event.detail;
    const asked = new URL(requestConfig.path, location.href).pathname;
    if (isPoll(elt) && new URL(xhr.responseURL).pathname !== asked) {
        event.detail.shouldSwap = false;
        location.reload();
    }
});

function isPoll(element) {
    return element.id === "news" || element.id === "list-news";
}

function wouldInterrupt(element) {
    return element.id === "list-news" && Boolean(document.activeElement?.closest(".inbox-filter"));
}

/* --- what stays where it is while parts are exchanged: positions, unfolded turns --- */

const AT_END_PX = 40;
const kept = { positions: new Map(), unfolded: new Set() };

function remember() {
    for (const part of document.querySelectorAll("[data-keep-scroll]")) {
        const isAtEnd = part.scrollHeight - part.scrollTop - part.clientHeight < AT_END_PX;
        kept.positions.set(part.dataset.keepScroll, { top: part.scrollTop, isAtEnd });
    }
    kept.unfolded = new Set([...document.querySelectorAll(".hub-turn[open]")].map((turn) => turn.id));
}

function restore() {
    for (const id of kept.unfolded) document.getElementById(id)?.setAttribute("open", "");
    for (const part of document.querySelectorAll("[data-keep-scroll]")) {
        const before = kept.positions.get(part.dataset.keepScroll);
        const isThread = part.id === "bubbles";
        part.scrollTop = isThread && (before?.isAtEnd ?? true) ? part.scrollHeight : before?.top ?? 0;
    }
}

document.addEventListener("htmx:beforeSwap", remember);
document.addEventListener("htmx:afterSettle", restore);

/* --- the reply box --- */

function replyBox() {
    return document.querySelector("#reply-form textarea");
}

function draftName() {
    return `draft-${document.getElementById("reply-form").dataset.draft}`;
}

function count() {
    const counter = document.getElementById("counter");
    if (!counter) return;
    const text = replyBox().value;
    const size = counter.dataset.unit === "bytes" ? new TextEncoder().encode(text).length : text.length;
    const limit = Number(counter.dataset.limit);
    const parts = Math.ceil(size / limit);
    counter.textContent = `${size} / ${limit}${parts > 1 ? ` · ${counter.dataset.parts.replace("%s", parts)}` : ""}`;
    counter.classList.toggle("is-over", parts > 1);
}

/* A draft outlives a look at another conversation, in this tab only. */
function keepDraft() {
    if (replyBox().value) sessionStorage.setItem(draftName(), replyBox().value);
    else sessionStorage.removeItem(draftName());
}

function openReplyBox() {
    const box = replyBox();
    if (!box) return;
    if (!box.value) box.value = sessionStorage.getItem(draftName()) ?? "";
    count();
}

document.addEventListener("input", (event) => {
    if (event.target !== replyBox()) return;
    keepDraft();
    count();
});

document.addEventListener("submit", (event) => {
    if (event.target.id === "reply-form") sessionStorage.removeItem(draftName());
}, true);

function write(text) {
    const box = replyBox();
    box.value = text;
    keepDraft();
    count();
    box.focus();
}

document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches(".hub-reply textarea")) return;
    event.preventDefault();
    if (!event.repeat) event.target.form.requestSubmit();
});

document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]") && event.target.value) event.target.form.requestSubmit();
    if (event.target.id === "write-note") document.querySelector("#note-form textarea").focus();
    if (event.target.id === "write-reply") replyBox().focus();
});

/* --- what is seldom done, in a menu of its own --- */

function closeMenu(event) {
    const menu = document.querySelector(".inbox-menu[open]");
    if (!menu || (event.type === "click" && menu.contains(event.target)) || (event.key ?? "Escape") !== "Escape") return;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
}

document.addEventListener("click", closeMenu);
document.addEventListener("keydown", closeMenu);

/* --- quick replies: found by any of their words --- */

document.addEventListener("toggle", (event) => {
    if (event.target.id === "canned" && event.target.open) event.target.querySelector("input").focus();
}, true);

document.addEventListener("input", (event) => {
    const list = event.target.closest(".inbox-canned-list");
    if (!list) return;
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const item of list.querySelectorAll("li")) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
    }
});

document.addEventListener("click", (event) => {
    const canned = document.getElementById("canned");
    const chosen = event.target.closest?.(".inbox-canned-list button");
    if (chosen) write(chosen.dataset.text);
    if (canned?.open && (chosen || !canned.contains(event.target))) canned.open = false;
});

document.addEventListener("keydown", (event) => {
    const list = event.target.closest?.(".inbox-canned-list");
    if (!list) return;
    if (event.key === "Escape") {
        list.parentElement.open = false;
        replyBox().focus();
    }
    if (event.key === "Enter" && event.target.matches("input")) {
        event.preventDefault();
        list.querySelector("li:not([hidden]) button")?.click();
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const shown = [...list.querySelectorAll("input, li:not([hidden]) button")];
        const step = event.key === "ArrowDown" ? 1 : -1;
        shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length].focus();
    }
});

/* --- what the LLM suggests goes into an empty box; somebody's own words stay until they say otherwise --- */

document.addEventListener("htmx:afterSettle", () => {
    const suggested = document.querySelector("[data-suggestion]");
    if (!suggested) return;
    const text = suggested.dataset.suggestion;
    delete suggested.dataset.suggestion;
    if (replyBox().value.trim()) suggested.querySelector("button").hidden = false;
    else write(text);
});

document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".inbox-suggestion [data-text]");
    if (!button) return;
    write(button.dataset.text);
    button.hidden = true;
});

/* --- keys, for whoever is not writing (the overlay lists them) --- */

const KEYS = {
    j: () => go(1),
    k: () => go(-1),
    r: () => startWriting("write-reply"),
    n: () => startWriting("write-note"),
    e: () => document.querySelector("[data-key=e]")?.click(),
    t: () => document.querySelector("[data-key=t]")?.click(),
    "/": () => startSearch(document.querySelector(".inbox-filter input[type=search]")),
    "?": () => document.getElementById("keys")?.showModal(),
};

function go(step) {
    const rows = [...document.querySelectorAll(".inbox-row")];
    const open = rows.findIndex((row) => row.classList.contains("is-open"));
    const next = open < 0 ? 0 : open + step;
    rows[next]?.click();
    rows[next]?.scrollIntoView({ block: "nearest" });
}

function startSearch(box) {
    box.focus();
    box.select();
}

function startWriting(id) {
    const choice = document.getElementById(id);
    if (!choice) return;
    choice.checked = true;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("keydown", (event) => {
    const isWriting = event.target.matches?.("input:not([type=radio]), textarea, select, [contenteditable]");
    if (event.key === "Escape" && isWriting) event.target.blur();
    if (isWriting || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
});

document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-keys]")) document.getElementById("keys").showModal();
    if (event.target.id === "keys") event.target.close();
});

/* --- at the start, and whenever another conversation is shown --- */

let opened = null;

function open() {
    const inbox = document.getElementById("inbox");
    if (inbox === opened) return;
    opened = inbox;
    openReplyBox();
    document.querySelector(".hub-bubble.is-found")?.scrollIntoView({ block: "center" });
    const toasts = inbox.querySelector(".inbox-toasts");  // not those of what is done next
    setTimeout(() => toasts?.remove(), TOAST_MS);
}

const TOAST_MS = 5000;

document.addEventListener("DOMContentLoaded", () => { restore(); open(); });
document.addEventListener("htmx:afterSettle", open);
