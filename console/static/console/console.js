"use strict";

document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
});

document.addEventListener("change", (event) => {
    if (event.target.id !== "quick-reply" || !event.target.value) return;
    const text = document.querySelector(".hub-reply textarea");
    text.value = event.target.value;
    event.target.value = "";
    text.focus();
});

document.addEventListener("DOMContentLoaded", () => {
    const bubbles = document.getElementById("bubbles");
    if (bubbles) bubbles.scrollTop = bubbles.scrollHeight;
});

/* An open conversation looks for news by itself; what is unfolded stays so, and nobody is scrolled away. */
const LOOK_AGAIN_MS = 4000;

async function lookForNews(bubbles) {
    if (document.hidden) return;
    const response = await fetch(location.href, { redirect: "error" });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    showReplyWindow(page);
    const fresh = page.getElementById("bubbles");
    if (!fresh || fresh.textContent === bubbles.textContent) return;
    for (const turn of bubbles.querySelectorAll("details[open]")) fresh.querySelector(`#${turn.id}`)?.setAttribute("open", "");
    const wasAtEnd = bubbles.scrollHeight - bubbles.scrollTop - bubbles.clientHeight < 40;
    bubbles.replaceChildren(...fresh.childNodes);
    if (wasAtEnd) bubbles.scrollTop = bubbles.scrollHeight;
}

/* Until when an answer is taken. The form comes back when the contact writes again, and stays with whoever is writing. */
function showReplyWindow(page) {
    const fresh = page.getElementById("reply-window");
    if (fresh) document.getElementById("reply-window").replaceWith(fresh);
    if (page.getElementById("reply-form")?.hidden === false) document.getElementById("reply-form").hidden = false;
}

document.addEventListener("DOMContentLoaded", () => {
    const bubbles = document.getElementById("bubbles");
    if (bubbles?.dataset.live !== "yes") return;
    setInterval(() => lookForNews(bubbles).catch(() => {}), LOOK_AGAIN_MS);
});
