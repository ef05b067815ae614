// Opens the page in a browser, sends letters and sees them arrive: node page.mjs URL CHROMIUM
// Exits with 1 and says what is wrong.
import { chromium } from "playwright-core";

const [url, executablePath] = process.argv.slice(2);
const patience = 30_000;
const faults = [];
const check = (ok, what) => { if (!ok) faults.push(what); };

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(width, height, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  page.setDefaultTimeout(patience);
  page.on("console", (m) => check(!["error", "warning"].includes(m.type()), `console at ${width} px: ${m.text()}`));
  page.on("pageerror", (e) => check(false, `script at ${width} px: ${e.message}`));
  page.on("request", (r) => check(r.url().startsWith(url), `request to ${r.url()}`));
  await page.goto(url);
  await page.waitForSelector("#live[data-state=live]");
  page.loads = 0;
  page.on("load", () => page.loads++);
  return page;
}

const narrow = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

async function send(page, { from = "alice@harbour.example", to = "bob@meadow.example", subject, checks = [], postage = true }) {
  await page.selectOption("#from", from);
  await page.selectOption("#to", to);
  await page.fill("#subject", subject);
  for (const name of ["wrongKey", "unlisted", "forged"]) await page.setChecked(`[name=${name}]`, checks.includes(name));
  if (to.endsWith("@summit.example")) await page.setChecked("[name=postage]", postage);
  await page.click("button[type=submit]");
  await page.waitForFunction((s) => document.querySelector(".head h3")?.textContent === s && document.querySelector(".outcome.ok, .outcome.bad"), subject);
  return page.textContent(".outcome");
}

// A letter at this width: sent, pushed into the mailbox without a reload, read, its verdicts looked at.
async function arrives(width, height, colorScheme) {
  const page = await open(width, height, colorScheme);
  check(await narrow(page), `a scroll bar at ${width} px before the letter`);
  const subject = `Grüße <b>at</b> ${width} px`;
  const outcome = await send(page, { subject });
  check(outcome.includes("the same to the byte"), `outcome at ${width} px: ${outcome}`);
  await page.waitForSelector(`[data-mail="${subject}"]`);
  check(page.loads === 0, `the page was loaded again at ${width} px`);
  check((await page.textContent("#arrivals")).includes(subject), `arrival is not announced at ${width} px`);
  check((await page.$$("b b")).length === 0, "markup of a letter became markup of the page");
  for (const stage of ["Submission", "Signature", "Queue", "Relay to relay", "Verification", "Delivery", "Read back"]) {
    check(await page.locator(".hops summary", { hasText: stage }).first().isVisible(), `no hop ${stage}`);
  }
  await page.locator(".hops summary", { hasText: "Relay to relay" }).first().click();
  check((await page.textContent(".talk:visible")).includes("STARTTLS"), "the dialogue is not shown");
  await page.locator(".hops summary", { hasText: "Verification" }).first().click();
  await page.locator(".tree summary", { hasText: "SPF pass" }).click();
  check((await page.textContent(".tree")).includes("v=spf1 mx -all"), "the answer of DNS is not shown");
  await page.click(`[data-mail="${subject}"]`);
  await page.waitForSelector(".mail h3");
  check((await page.textContent(".mail")).includes("travels by SMTP"), "the text is not shown");
  await page.click("[data-key=source]");
  check((await page.textContent(".source")).includes("Authentication-Results: mx.meadow.example"), "the source is not shown");
  check(await narrow(page), `a scroll bar at ${width} px`);
  await page.close();
}

async function breaks() {
  const page = await open(1280, 900, "dark");
  for (const [checks, want] of [[["wrongKey"], "Delivered"], [["unlisted"], "Delivered"], [["wrongKey", "unlisted"], "550 5.7.1"], [["forged"], "550 5.7.1"]]) {
    const outcome = await send(page, { subject: "broken: " + checks, checks });
    check(outcome.includes(want), `${checks}: ${outcome}`);
  }
  check((await page.textContent(".head .badges")).includes("DMARC fail"), "no verdict of a forged letter");
  const carol = { to: "carol@summit.example" };
  let outcome = await send(page, { ...carol, subject: "a stranger", postage: false });
  check(outcome.includes("550 5.7.1 Unknown sender, capability not established"), `a stranger: ${outcome}`);
  outcome = await send(page, { ...carol, subject: "a stranger who pays" });
  check(outcome.includes("Delivered"), `a stranger who pays: ${outcome}`);
  check(await page.locator(".hops summary b", { hasText: /^Postage$/ }).isVisible(), "no postage is shown");
  await send(page, { from: carol.to, to: "alice@harbour.example", subject: "Re: a stranger who pays" });
  outcome = await send(page, { ...carol, subject: "a friend", postage: false });
  check(outcome.includes("Delivered"), `a friend: ${outcome}`);
  check((await page.textContent(".hops")).includes("capability"), "the capability is not shown");
  await page.close();
}

// The first thing that a newcomer sees.
async function first() {
  const page = await open(1280, 900, "light");
  check((await page.textContent("#letters")).includes("No letter is on its way"), "no empty state of letters");
  check((await page.textContent("#box")).includes("No mail yet"), "no empty state of mailboxes");
  await page.click("text=Forge the author");
  await page.waitForSelector(".outcome.bad");
  check((await page.textContent(".outcome")).includes("550 5.7.1"), "the letter that a newcomer forges is not refused");
  await page.close();
}

// By keyboard alone: every control is reached, and a letter is sent.
async function keyboard() {
  const page = await open(1280, 900, "light");
  await page.focus("#subject");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("by keyboard");
  for (let i = 0; i < 20 && (await page.evaluate(() => document.activeElement.textContent)) !== "Send"; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector('[data-mail="by keyboard"]');
  await page.focus("[role=tab][aria-selected=true]");
  await page.keyboard.press("ArrowRight");
  check((await page.textContent("[role=tab][aria-selected=true]")).startsWith("carol"), "the arrow key does not change the tab");
  await page.close();
}

try {
  await first();
  await arrives(1280, 900, "light");
  await arrives(360, 740, "dark");
  await breaks();
  await keyboard();
} catch (err) {
  faults.push(err.message);
} finally {
  await browser.close();
}
for (const f of faults) console.error(f);
process.exit(faults.length ? 1 : 0);
