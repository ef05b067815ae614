import { check, evil, login, named, narrow, open, row, shot } from "./kit.mjs";

// A telephone in the dark.
export async function phone() {
	const page = await open(360, 740, "dark");
	await narrow(page, "login");
	await shot(page, "phone-login");
	await login(page);
	await row(page, "attack: script").waitFor();
	await narrow(page, "list");
	await shot(page, "phone-list");
	const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).every((c) => c < 64));
	check(dark, "it is not dark");
	await page.click("#menu");
	check(await page.locator("#boxes").isVisible() && !(await page.locator("#list").isVisible()), "the mailboxes are not alone");
	await narrow(page, "mailboxes");
	await shot(page, "phone-boxes");
	await page.click("#boxes button >> nth=0");
	await row(page, "attack: tracking").click();
	await page.waitForSelector("#reader iframe");
	await narrow(page, "reader");
	await named(page, "phone reader");
	await shot(page, "phone-reader");
	await page.click("[data-action=text]");
	await page.waitForSelector("#reader .text");
	await page.click("[aria-label='Back to the list']");
	await row(page, "attack: tracking").click();
	await page.waitForSelector("#reader iframe");
	await page.goBack();
	check(await page.locator("#list").isVisible() && !(await page.locator("#reader").isVisible()), "the browser's way back does not lead to the list");
	await page.click("#write");
	await narrow(page, "compose");
	await shot(page, "phone-compose");
	check(page.evil.length === 0, `a server of the attacker's was asked: ${page.evil}`);
	await page.context().close();
}
