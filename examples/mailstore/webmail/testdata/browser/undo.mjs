import { check, contrast, login, named, narrow, open, row, shot } from "./kit.mjs";

const closed = (page) => page.waitForSelector("#compose:not([open])", { state: "attached" });
const write = async (page, to, subject) => {
	await page.keyboard.press("c");
	await page.waitForSelector("#compose[open]");
	await page.fill("#to", to);
	await page.fill("#subject", subject);
	await page.fill("#text", "Dear all");
};

// What was sent is taken back, what is to be sent later waits and is taken back too, and what became of a letter is told.
export async function undo() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "First").waitFor();
	await write(page, "alice@example.com", "Too early");
	await page.click("#send");
	await closed(page);
	await page.waitForFunction(() => document.querySelector("#toast span")?.textContent === "Sending …");
	await page.keyboard.press("z");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#subject")) === "Too early" && (await page.inputValue("#to")) === "alice@example.com", "what was taken back is not what was sent");
	await page.fill("#subject", "In time");
	await page.click("#send");
	await closed(page);
	await row(page, "In time").waitFor();
	check((await row(page, "Too early").count()) === 0, "what was taken back was sent");
	await page.click("[data-box=Drafts]");
	await page.waitForFunction(() => document.querySelector("#state").textContent === "Nothing is here.");

	await write(page, "alice@example.com", "Tomorrow");
	await page.click("#later");
	await page.fill("#at", "2020-01-01T10:00");
	await page.click("#schedule-send");
	await page.waitForFunction(() => document.querySelector("#compose-error").textContent === "Not sent: the time has to be one to come");
	await named(page, "later");
	await contrast(page, "later");
	await narrow(page, "later");
	const tomorrow = new Date(Date.now() + 86_400_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
	await page.fill("#at", tomorrow);
	await page.click("#schedule-send");
	await closed(page);
	await page.waitForFunction(() => document.querySelector("#toast span")?.textContent.startsWith("To be sent "));
	await page.click("[data-box=Sent]");
	await row(page, "Tomorrow").click();
	await page.waitForSelector("#letters .delivery");
	check((await page.textContent("#letters .delivery")).startsWith("To be sent "), "what waits is not said to");
	await contrast(page, "scheduled");
	await shot(page, "scheduled");
	await page.click("[data-action=takeback]");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#subject")) === "Tomorrow", "what was taken back is another letter");
	await page.click("#discard");
	await closed(page);
	await row(page, "Tomorrow").waitFor({ state: "detached" });
	await row(page, "In time").click();
	await page.waitForFunction(() => /^alice@example.com: (delivered|handed on|on the way)/.test(document.querySelector("#letters .delivery")?.textContent ?? ""));

	// What nobody takes is told of where the letter is.
	await write(page, "nobody@nowhere.invalid", "To nobody");
	await page.click("#send");
	await closed(page);
	await row(page, "To nobody").click();
	await page.waitForFunction(() => /^nobody@nowhere.invalid: not delivered \(550/.test(document.querySelector("#letters [data-delivered=no]")?.textContent ?? ""));
	await contrast(page, "not delivered");
	check(page.loads === 0, "the page was loaded again");
	await page.context().close();
}
