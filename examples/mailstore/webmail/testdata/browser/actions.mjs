import { check, contrast, login, named, narrow, open, row, shot } from "./kit.mjs";

const count = (page, text) => page.waitForFunction((text) => document.querySelector("#bulk-count").textContent === text, text);
const toast = (page, text) => page.waitForFunction((text) => !document.querySelector("#toast").hidden && document.querySelector("#toast span").textContent === text, text);
const subjects = (page) => page.locator("#messages .subject").allTextContents();
const are = (page, want) => page.waitForFunction((want) => [...document.querySelectorAll("#messages .subject")].map((s) => s.textContent).join() === want, want.join());
const go = (page, box) => page.click(`[data-box=${box}]`);

// One, several and all are chosen with the keyboard and the mouse, filed, and put back.
export async function actions() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "Letter 8").waitFor();
	const all = await subjects(page);
	check(all.length === 8, `${all}`);
	await row(page, all[0]).focus();
	await page.keyboard.press("x");
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("x");
	await count(page, "2 selected");
	check((await page.locator("#messages input:checked").count()) === 2, "what is selected is not checked");
	await named(page, "selection");
	await contrast(page, "selection");
	await shot(page, "selection");
	await page.keyboard.press("e");
	await are(page, all.filter((_, i) => i !== 0 && i !== 2));
	await toast(page, "Archived: 2 messages.");
	check(await page.locator("#bulk").isHidden(), "something is selected still");
	await contrast(page, "toast");
	await page.click("[data-action=undo]");
	await are(page, all);
	check(await page.locator("#toast").isHidden(), "undo is offered twice");

	await row(page, all[0]).focus();
	await page.keyboard.press("J");
	await page.keyboard.press("J");
	await count(page, "3 selected");
	await page.keyboard.press("Escape");
	await page.waitForFunction(() => document.querySelector("#bulk").hidden);

	// A range, by shift and the mouse, on the box and on the row.
	await page.locator("#messages input").nth(1).click();
	await page.locator("#messages input").nth(3).click({ modifiers: ["Shift"] });
	await count(page, "3 selected");
	await row(page, all[5]).click({ modifiers: ["Shift"] });
	await count(page, "5 selected");
	await row(page, all[2]).click({ modifiers: ["Control"] });
	await count(page, "4 selected");
	check(await page.locator("#reader .hint").isVisible(), "selecting opens a message");
	await page.keyboard.press("#");
	await are(page, [0, 2, 6, 7].map((i) => all[i]));
	await toast(page, "Moved to trash: 4 messages.");
	await page.keyboard.press("z");
	await are(page, all);
	await page.click("#all");
	await count(page, "8 selected");
	await page.keyboard.press("m");
	await page.waitForFunction(() => document.title === "Mail" && !document.querySelector("#messages .unread"));
	await page.keyboard.press("z");
	await page.waitForFunction(() => document.title === "(8) Mail");
	await page.click("#all");
	await page.keyboard.press("Escape");
	await page.waitForFunction(() => document.querySelector("#bulk").hidden);

	// Read, then filed: the next row has the focus; undo works from anywhere.
	await row(page, all[3]).click();
	await page.waitForSelector("#letters .text");
	await page.keyboard.press("!");
	await toast(page, "Marked as spam.");
	await are(page, all.filter((_, i) => i !== 3));
	check(await page.locator("#reader .hint").isVisible(), "what was filed is read still");
	await page.waitForFunction((s) => document.activeElement.querySelector(".subject")?.textContent === s, all[4]);
	await go(page, "Junk");
	await row(page, all[3]).click();
	await page.waitForSelector("#letters .text");
	check((await page.locator("[data-action=junk]", { hasText: "Not spam" }).count()) === 1, "spam cannot be called none");
	await page.keyboard.press("!");
	await toast(page, "Not spam.");
	await go(page, "Inbox");
	await are(page, all);

	await row(page, all[1]).focus();
	await page.keyboard.press("v");
	await page.waitForSelector("#move[open]");
	await named(page, "move");
	await contrast(page, "move");
	check((await page.locator("#move-boxes button", { hasText: "Inbox" }).count()) === 0, "a move to where it is is offered");
	await page.keyboard.type("nothing like it");
	check((await page.textContent("#move-boxes")) === "No mailbox has such a name.", "a mailbox that is not there is offered");
	await page.fill("#move-filter", "arch");
	await page.keyboard.press("Enter");
	await toast(page, "Moved to Archive.");
	await page.keyboard.press("z");
	await are(page, all);

	// In the trash, delete is for good, and asks.
	await row(page, all[7]).focus();
	await page.keyboard.press("Delete");
	await toast(page, "Moved to trash.");
	await go(page, "Trash");
	await row(page, all[7]).focus();
	await page.keyboard.press("#");
	await page.waitForSelector("#sure[open]");
	await contrast(page, "sure");
	check(await page.evaluate(() => document.activeElement.value === "no"), "the key that confirms by mistake is the first");
	await page.keyboard.press("Escape");
	await page.waitForTimeout(100);
	check((await subjects(page)).length === 1, "what was not confirmed was deleted");
	await row(page, all[7]).focus();
	await page.keyboard.press("#");
	await page.click("#sure button[value=yes]");
	await toast(page, "Deleted.");
	await are(page, []);
	check(page.loads === 0, "the page was loaded again");
	await page.context().close();

	const phone = await open(360, 780, "dark");
	await login(phone);
	await row(phone, all[0]).waitFor();
	await phone.locator("#messages input").nth(0).click();
	await phone.locator("#messages input").nth(1).click();
	await count(phone, "2 selected");
	await narrow(phone, "selection");
	await contrast(phone, "selection");
	await shot(phone, "phone-selection");
	await phone.click("#bulk [data-action=flag]");
	await phone.waitForFunction(() => document.querySelectorAll("#messages [aria-label=flagged]").length === 2);
	await phone.context().close();
}
