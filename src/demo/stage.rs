//! The steps of the main job, each through the API.

use chrono::{DateTime, Days, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Europe::Brussels;
use serde_json::{Value, json};

use super::{Bank, Client, DemoError, link_in, text_of};
use crate::kernel::money::Minor;
use crate::platform::clock::Clock;
use crate::platform::mail_catcher::Catcher;
use crate::worker::Worker;

type Step<T> = Result<T, DemoError>;

/// The password of everybody in a demonstration.
pub const PASSWORD: &str = "correct horse battery";

/// Where a story takes place.
pub struct Stage {
    /// Where the service is.
    pub base: String,
    /// Its clock.
    pub clock: Clock,
    /// Who does the work after commits.
    pub worker: Worker,
    /// Where its mails arrive.
    pub mails: Catcher,
    /// The authenticators of everybody.
    pub factors: super::Factors,
}

/// The mutual and everybody in it.
pub struct Cast {
    /// The legal entity.
    pub entity_id: String,
    /// Its bank.
    pub bank: Bank,
    /// The office.
    pub staff: StaffCast,
}

/// The office, everybody signed in.
#[derive(Clone)]
pub struct StaffCast {
    /// Sets things up.
    pub administrator: Client,
    /// Reviews, builds, seals, matches.
    pub reviewer: Client,
    /// Approves and releases.
    pub approver: Client,
    /// Reads the books.
    pub accountant: Client,
}

/// A member with what they work with.
#[derive(Clone)]
pub struct MemberCast {
    /// Signed in.
    pub client: Client,
    /// Their address of mail.
    pub email: String,
    /// Their activity.
    pub activity_id: String,
    /// Their client in the registry.
    pub client_id: String,
    /// The client's address of mail.
    pub client_email: String,
}

/// An issued invoice.
#[derive(Debug, Clone)]
pub struct Invoiced {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: String,
    /// Twelve digits.
    pub reference: String,
    /// To pay.
    pub gross: i64,
    /// The whole view.
    pub view: Value,
}

/// A member of a JSON object as text.
pub(super) fn text(value: &Value, name: &str) -> Step<String> {
    let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| DemoError(format!("no {name} in {value}")))
}

fn version(value: &Value) -> i64 {
    value.get("version").and_then(Value::as_i64).unwrap_or_default()
}

/// The minor units of a money field.
fn minor(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(|money| money.get("amount_minor")).and_then(Value::as_i64).unwrap_or_default()
}

/// The hour that clocks in Brussels show, `days` later; after the night without that hour, one hour on. A multiple of
/// 24 hours would be another day when it begins shortly after midnight and summer time ends in between.
fn same_hour(now: DateTime<Utc>, days: i64) -> DateTime<Utc> {
    let shown = now.with_timezone(&Brussels).naive_local() + Duration::days(days);
    let found = |shown| Brussels.from_local_datetime(&shown).earliest();
    found(shown).or_else(|| found(shown + Duration::hours(1))).map_or(now, |then| then.to_utc())
}

impl Stage {
    /// A device that nobody has signed in on.
    #[must_use]
    pub fn visitor(&self) -> Client {
        Client::new(&self.base, self.clock.clone())
    }

    /// Today in the mutual's zone.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.clock.today(Brussels)
    }

    /// Lets the worker do everything that is due.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn settle(&self) -> Step<()> {
        self.worker.run_until_idle().map(|_jobs| ()).map_err(|error| DemoError(error.to_string()))
    }

    /// Moves the clock to the same hour of the mutual's zone `days` later, and lets the worker do what fell due.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn days_pass(&self, days: i64) -> Step<()> {
        self.clock.set(same_hour(self.clock.now(), days));
        self.settle()
    }

    /// The text of the newest mail to somebody that contains a word, be it in its subject.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn mail_to(&self, address: &str, word: &str) -> Step<String> {
        let found = self.mails.messages().into_iter().rev().find_map(|mail| {
            let is_theirs = mail.to.iter().any(|to| to == address);
            let text = is_theirs.then(|| text_of(&mail.raw))?;
            let has_word = text.contains(word) || String::from_utf8_lossy(&mail.raw).contains(word);
            has_word.then_some(text)
        });
        found.ok_or_else(|| DemoError(format!("no mail to {address} with {word}")))
    }

    /// The token at the end of the link of `path` in the newest mail to somebody that has one. Only what the mail says
    /// counts: a file attached to it has any three letters somewhere in its code.
    ///
    /// # Errors
    /// Fails when there is no such mail.
    pub fn token_to(&self, address: &str, path: &str) -> Step<String> {
        let mails = self.mails.messages().into_iter().rev();
        let theirs = mails.filter(|mail| mail.to.iter().any(|to| to == address));
        let link =
            theirs.map(|mail| text_of(&mail.raw)).filter(|text| text.contains(path)).find_map(|text| link_in(&text));
        let link = link.ok_or_else(|| DemoError(format!("no mail to {address} with a link of {path}")))?;
        Ok(link.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Sets up a mutual: the entity, its bank account, its rules, its agreement and its office.
    ///
    /// `administrator` is signed in; the first rules are those of Spain's split: 5.5 % fee, 2 % guarantee.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn found_mutual(&self, administrator: Client, iban: &str, opening: i64) -> Step<Cast> {
        let today = self.today();
        let entity_id = administrator.new_id();
        let entity = json!({
            "id": entity_id, "name": "Ombelle", "legal_form": "SC agréée", "enterprise_number": "0123456749",
            "vat_number": "BE0123456749", "register": "RPM Bruxelles", "zone": "Europe/Brussels",
            "email": "office@ombelle.example",
            "address": {"street": "Rue de la Coopération", "building_number": "12", "postcode": "1000", "town": "Bruxelles", "country": "BE"},
        });
        administrator.post("/v1/entities", &entity)?.expect(201)?;
        let account = json!({"id": administrator.new_id(), "iban": iban, "bic": "GEBABEBB", "currency": "EUR"});
        administrator.post(&format!("/v1/entities/{entity_id}/bank_accounts"), &account)?.expect(201)?;
        let rules = json!({
            "id": administrator.new_id(), "valid_from": today - Days::new(30), "decided_on": today - Days::new(60),
            "decision": "General assembly: 5.5 % fee, 2 % guarantee",
            "share_price": {"amount_minor": 3000, "currency": "EUR"}, "payment_terms_days": 30, "advance_working_days": 7,
            "client_limit": {"amount_minor": 5_000_000, "currency": "EUR"},
            "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}],
        });
        administrator.post(&format!("/v1/entities/{entity_id}/rule_sets"), &rules)?.expect(201)?;
        for (language, body) in [
            ("fr", "Je rejoins la mutuelle et j'accepte ses statuts."),
            ("en", "I join the mutual and accept its statutes."),
        ] {
            let agreement = json!({"id": administrator.new_id(), "version_number": 1, "language": language, "body": body, "valid_from": today - Days::new(30)});
            administrator.post(&format!("/v1/entities/{entity_id}/agreements"), &agreement)?.expect(201)?;
        }
        let staff = StaffCast {
            reviewer: self.hire(&administrator, "reviewer@ombelle.example", "Rita Review", "reviewer")?,
            approver: self.hire(&administrator, "approver@ombelle.example", "Paul Payer", "payout_approver")?,
            accountant: self.hire(&administrator, "accountant@ombelle.example", "Ada Books", "accountant")?,
            administrator,
        };
        Ok(Cast { entity_id, bank: Bank::new(iban, Minor::new(opening)), staff })
    }

    /// Adds somebody to the office; they set their password by the link of the mail.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn hire(&self, administrator: &Client, email: &str, name: &str, role: &str) -> Step<Client> {
        let id = administrator.new_id();
        let person = json!({"id": id, "email": email, "name": name, "language": "en"});
        administrator.post("/v1/people", &person)?.expect(201)?;
        let grant = json!({"id": administrator.new_id(), "role": role, "valid_from": self.clock.now().date_naive()});
        let granted = administrator.post(&format!("/v1/people/{id}/role_grants"), &grant)?.expect(201)?;
        if granted.get("effective_at").is_none_or(Value::is_null) {
            return Err(DemoError(format!("{name} waits for a second administrator: hire before money moves")));
        }
        self.settle()?;
        let token = self.token_to(email, "/reset/")?;
        let reset = json!({"token": token, "password": PASSWORD});
        self.visitor().post("/v1/password_resets/complete", &reset)?.expect(200)?;
        self.visitor().sign_in(email, PASSWORD)
    }

    /// Signs somebody in who has the demonstration's password.
    ///
    /// # Errors
    /// Fails when they have another one.
    pub fn sign_in(&self, email: &str) -> Step<Client> {
        self.visitor().sign_in(email, PASSWORD)
    }

    /// Signs the whole office in again, after days have passed.
    ///
    /// # Errors
    /// Fails when somebody cannot.
    pub fn office_returns(&self, cast: &mut Cast, administrator: (&str, &str)) -> Step<()> {
        cast.staff.administrator = self.visitor().sign_in(administrator.0, administrator.1)?;
        cast.staff.reviewer = self.sign_in("reviewer@ombelle.example")?;
        cast.staff.approver = self.sign_in("approver@ombelle.example")?;
        cast.staff.accountant = self.sign_in("accountant@ombelle.example")?;
        Ok(())
    }

    /// A freelancer applies: account, address confirmed, profile, proofs, agreement, handed in. Answers the
    /// application's id and the signed-in applicant.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn apply(&self, entity_id: &str, email: &str, name: &str, iban: &str) -> Step<(String, Client)> {
        let visitor = self.visitor();
        let id = visitor.new_id();
        let body = json!({"id": id, "entity_id": entity_id, "email": email, "name": name, "language": "fr", "password": PASSWORD});
        visitor.post("/v1/applications", &body)?.expect(201)?;
        self.settle()?;
        let token = self.token_to(email, "/confirm/")?;
        visitor.post("/v1/email_confirmations", &json!({"token": token}))?.expect(200)?;
        let applicant = self.visitor().sign_in(email, PASSWORD)?;
        let place = format!("/v1/applications/{id}");
        let seen = applicant.get(&place)?.expect(200)?;
        let profile = json!({
            "birth_date": "1990-04-01", "phone": "+32 2 555 12 34", "trade": "Illustration",
            "address": {"street": "Avenue des Arts", "building_number": "7", "postcode": "1040", "town": "Bruxelles", "country": "BE"},
        });
        let seen = applicant.patch(&place, version(&seen), &profile)?.expect(200)?;
        let account = json!({"id": applicant.new_id(), "iban": iban, "holder": name});
        let seen_version = format!("\"{}\"", version(&seen));
        let key = applicant.new_id();
        let headers = [("Idempotency-Key", key.as_str()), ("If-Match", seen_version.as_str())];
        applicant.command("PUT", &format!("{place}/bank_account"), &headers, &account)?.expect(200)?;
        let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
        for kind in ["identity_proof", "bank_proof"] {
            applicant.upload(&format!("{place}/documents?kind={kind}"), "application/pdf", pdf)?.expect(201)?;
        }
        let agreement =
            visitor.get(&format!("/v1/entities/{entity_id}/agreements/current?language=fr"))?.expect(200)?;
        let acceptance = json!({"agreement_id": text(&agreement, "id")?, "sha256": text(&agreement, "sha256")?});
        let seen = applicant.get(&place)?.expect(200)?;
        let seen = applicant.change(&format!("{place}/accept_agreement"), version(&seen), &acceptance)?.expect(200)?;
        applicant.change(&format!("{place}/submit"), version(&seen), &json!({}))?.expect(200)?;
        Ok((id, applicant))
    }

    /// The office accepts an application. Answers the reference with which the share is to be paid.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn accept(&self, reviewer: &Client, application: &str, email: &str) -> Step<String> {
        let place = format!("/v1/applications/{application}");
        let seen = reviewer.get(&place)?.expect(200)?;
        let seen = reviewer.change(&format!("{place}/start_review"), version(&seen), &json!({}))?.expect(200)?;
        reviewer.change(&format!("{place}/accept"), version(&seen), &json!({}))?.expect(200)?;
        self.settle()?;
        let mail = self.mail_to(email, "+++")?;
        let reference = mail.split("+++").nth(1).unwrap_or_default();
        Ok(reference.chars().filter(char::is_ascii_digit).collect())
    }

    /// Imports a statement with everything that the bank did.
    ///
    /// # Errors
    /// Says what was refused.
    pub fn import(&self, cast: &mut Cast) -> Step<Value> {
        let file = cast.bank.statement(self.today(), self.clock.now())?;
        let imported = cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &file)?.expect(201)?;
        self.settle()?;
        Ok(imported)
    }

    /// Everything from applying to a member who is active, with an activity and a client.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn enrol(&self, cast: &mut Cast, email: &str, name: &str, iban: &str) -> Step<MemberCast> {
        let (application, _) = self.apply(&cast.entity_id, email, name, iban)?;
        let reference = self.accept(&cast.staff.reviewer, &application, email)?;
        cast.bank.receives(Minor::new(3000), &reference, name, self.today());
        self.import(cast)?;
        self.equip(self.sign_in(email)?, email)
    }

    /// An active member opens an activity and adds a client.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn equip(&self, member: Client, email: &str) -> Step<MemberCast> {
        let activity_id = member.new_id();
        member.post("/v1/activities", &json!({"id": activity_id, "name": "Illustration"}))?.expect(201)?;
        let client_id = member.new_id();
        let client_email = format!("invoices+{}@client.example", client_id.get(24..).unwrap_or_default());
        let client = json!({
            "id": client_id, "name": "Łukasz Øster-Ñuñez & Fils SPRL", "kind": "business", "email": client_email,
            "language": "fr", "vat_number": "BE0403019261",
            "address": {"street": "Chaussée de Louvain", "building_number": "100", "postcode": "1210", "town": "Bruxelles", "country": "BE"},
        });
        member.post("/v1/clients", &client)?.expect(201)?;
        Ok(MemberCast { client: member, email: email.to_owned(), activity_id, client_id, client_email })
    }

    /// A member sends an order. Answers its id and the token of the link that the client got.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn sent_order(&self, member: &MemberCast, cents: i64) -> Step<(String, String)> {
        let today = self.today();
        let id = member.client.new_id();
        let order = json!({
            "id": id, "activity_id": member.activity_id, "client_id": member.client_id,
            "title": "Illustrations pour le rapport annuel", "description": "Six planches, deux allers-retours.",
            "work_ends_on": today, "valid_until": today + Days::new(60),
            "lines": [{"label": "Illustrations", "quantity": "1", "unit_price": {"amount_minor": cents, "currency": "EUR"}}],
        });
        let seen = member.client.post("/v1/orders", &order)?.expect(201)?;
        member.client.change(&format!("/v1/orders/{id}/send"), version(&seen), &json!({}))?.expect(200)?;
        self.settle()?;
        let token = self.token_to(&member.client_email, "/o/")?;
        Ok((id, token))
    }

    /// A member sends an order; the client confirms it by the link of the mail. Answers the confirmed order.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn confirmed_order(&self, member: &MemberCast, cents: i64) -> Step<Value> {
        let (id, token) = self.sent_order(member, cents)?;
        let client = self.visitor();
        let offer = client.get(&format!("/v1/order_links/{token}"))?.expect(200)?;
        let answer = json!({"document_sha256": text(&offer, "document_sha256")?, "signer_name": "Łukasz Øster"});
        client.post(&format!("/v1/order_links/{token}/confirm"), &answer)?.expect(200)?;
        self.settle()?;
        member.client.get(&format!("/v1/orders/{id}"))?.expect(200)
    }

    /// A member hands in an invoice, from an order or alone. Answers it as submitted.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn submitted_invoice(&self, member: &MemberCast, order: Option<&str>, cents: i64) -> Step<Value> {
        let id = member.client.new_id();
        let draft = match order {
            Some(order) => json!({"id": id, "order_id": order}),
            None => json!({
                "id": id, "activity_id": member.activity_id, "client_id": member.client_id, "title": "Illustrations",
                "supplied_on": self.today(),
                "lines": [{"label": "Illustrations", "quantity": "1", "unit_price": {"amount_minor": cents, "currency": "EUR"}}],
            }),
        };
        let seen = member.client.post("/v1/invoices", &draft)?.expect(201)?;
        member.client.change(&format!("/v1/invoices/{id}/submit"), version(&seen), &json!({}))?.expect(200)
    }

    /// The office issues a submitted invoice.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn issue(&self, reviewer: &Client, submitted: &Value) -> Step<Invoiced> {
        let id = text(submitted, "id")?;
        let view = reviewer.change(&format!("/v1/invoices/{id}/issue"), version(submitted), &json!({}))?.expect(200)?;
        let reference = text(&view, "payment_reference")?.chars().filter(char::is_ascii_digit).collect();
        Ok(Invoiced { id, number: text(&view, "number")?, reference, gross: minor(&view, "total_gross"), view })
    }

    /// A member asks for a payout.
    ///
    /// # Errors
    /// Says what was refused.
    pub fn payout(&self, member: &MemberCast, cents: i64) -> Step<Value> {
        let body = json!({
            "id": member.client.new_id(), "activity_id": member.activity_id,
            "amount": {"amount_minor": cents, "currency": "EUR"},
        });
        member.client.post("/v1/payouts", &body)?.expect(201)
    }

    /// The office approves a payout, gathers a batch and seals it. Answers the sealed batch.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn sealed_batch(&self, cast: &Cast, payout: &Value) -> Step<Value> {
        let reviewer = &cast.staff.reviewer;
        let id = text(payout, "id")?;
        reviewer.change(&format!("/v1/payouts/{id}/approve"), version(payout), &json!({}))?.expect(200)?;
        let batch_id = reviewer.new_id();
        let built =
            reviewer.post("/v1/payout_batches", &json!({"id": batch_id, "entity_id": cast.entity_id}))?.expect(201)?;
        reviewer.change(&format!("/v1/payout_batches/{batch_id}/seal"), version(&built), &json!({}))?.expect(200)
    }

    /// Whoever is about to approve a batch opens each of its flags that asks for it.
    ///
    /// # Errors
    /// Says what was refused.
    pub fn open_flags(&self, approver: &Client, batch: &str) -> Step<()> {
        for level in ["medium", "high"] {
            let place = format!("/v1/risk_flags?batch_id={batch}&level={level}&opened=false&limit=200");
            let flags = approver.get(&place)?.expect(200)?;
            for flag in flags.get("data").and_then(Value::as_array).into_iter().flatten() {
                let note = json!({"note": "Looked at what it names."});
                approver.post(&format!("/v1/risk_flags/{}/open", text(flag, "id")?), &note)?.expect(200)?;
            }
        }
        Ok(())
    }

    /// Somebody opens what is flagged and approves the sealed bytes. Answers the batch.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn approve(&self, approver: &Client, sealed: &Value) -> Step<Value> {
        let id = text(sealed, "id")?;
        self.open_flags(approver, &id)?;
        let sha256 = text(sealed, "content_sha256")?;
        let proof = self.prove(approver, "approve_batch", &sha256)?;
        let shown = json!({
            "content_sha256": sha256, "total": sealed.get("total"), "payout_count": sealed.get("payout_count"),
            "second_factor": proof,
        });
        approver.change(&format!("/v1/payout_batches/{id}/approve"), version(sealed), &shown)?.expect(200)
    }

    /// A second person opens what is flagged, approves the sealed bytes and releases them. Answers the released batch.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn release(&self, approver: &Client, sealed: &Value) -> Step<Value> {
        let id = text(sealed, "id")?;
        let approved = self.approve(approver, sealed)?;
        let proof = self.prove(approver, "release_batch", &text(sealed, "content_sha256")?)?;
        let released = approver
            .change(&format!("/v1/payout_batches/{id}/release"), version(&approved), &json!({"second_factor": proof}))?
            .expect(200)?;
        self.settle()?;
        Ok(released)
    }

    /// The invariants that do not hold.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn violations(&self, accountant: &Client) -> Step<Value> {
        accountant.get("/v1/invariants")?.expect(200)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `now + 24 h * days` the first line gives the 28th: the promised day never came.
    #[test]
    fn days_pass_in_the_zone_of_the_mutual() {
        for (now, days, then) in [
            ("2026-10-19T22:30:00Z", 9, "2026-10-28T23:30:00Z"),
            ("2026-10-20T10:00:00Z", 9, "2026-10-29T11:00:00Z"),
            ("2026-03-28T01:30:00Z", 1, "2026-03-29T01:30:00Z"),
            ("2026-03-28T22:30:00Z", 1, "2026-03-29T21:30:00Z"),
            ("2026-06-01T22:30:00Z", 10, "2026-06-11T22:30:00Z"),
        ] {
            let [now, then] = [now, then].map(|text| text.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(same_hour(now, days), then, "{now} and {days} days");
        }
    }
}
