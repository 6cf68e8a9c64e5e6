//! The checks of the token.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::commands::doctor::checks::{Check, Finding};
use crate::github::answers::AuthenticatedUser;
use crate::github::token::{self, Token, TokenKind};

/// How long before a token expires the doctor warns: a weekly run warns twice.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);
/// The scope that a token with scopes needs, <https://docs.github.com/en/rest/agent-tasks/agent-tasks>.
const SCOPE: &str = "repo";

/// Whether a token's prefix is of a kind that can start tasks.
pub(super) fn check_kind(token: Option<&Token>) -> Finding {
    let Some(kind) = token.map(Token::kind) else {
        return Check::Token.fail(format!("`token` {}", token::MISSING));
    };
    match kind.unfit_for_tasks() {
        Some(why) => Check::Token.fail(format!("`token` {why}")),
        None => Check::Token.pass(kind.to_string()),
    }
}

/// What GitHub says about a token: its user, its expiration date and its scopes.
pub(super) fn check_user(user: &AuthenticatedUser, kind: TokenKind, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![Check::Login.pass(format!("the token belongs to {}", user.login))];
    findings.push(check_expiry(user.expires.as_deref(), kind, now));
    // Tokens with permissions have no scopes, but their answers can have an empty header for them. GitHub does not say
    // which permissions they have.
    let has_permissions = matches!(kind, TokenKind::FineGrained | TokenKind::AppUser);
    findings.extend(user.scopes.as_deref().filter(|_| !has_permissions).map(check_scopes));
    findings
}

fn check_scopes(scopes: &[String]) -> Finding {
    if scopes.iter().any(|scope| scope == SCOPE) {
        return Check::Scopes.pass(format!("the token has the scope `{SCOPE}`"));
    }
    let names = scopes.iter().filter(|scope| !scope.is_empty()).map(|scope| format!("`{scope}`"));
    let names = names.collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { "none".to_owned() } else { names };
    Check::Scopes.fail(format!("the token lacks the scope `{SCOPE}` (it has {names}); add it in the token's settings"))
}

fn check_expiry(date: Option<&str>, kind: TokenKind, now: Timestamp) -> Finding {
    let Some(date) = date else {
        return match kind {
            TokenKind::AppUser => Check::Expiry.warn(
                "GitHub gives no expiration date. A user token of a GitHub App expires after 8 hours, unless the app \
                 has opted out; store it as a secret only if it has",
            ),
            _ => Check::Expiry.pass("GitHub gives no expiration date"),
        };
    };
    let Some(end) = parse_date(date) else {
        return Check::Expiry.unknown(format!("GitHub gives an expiration date that cannot be read: `{date}`"));
    };
    let left = end.duration_since(now);
    if left <= SignedDuration::ZERO {
        return Check::Expiry.fail(format!("the token expired on {date}; create a new one and store it"));
    }
    let days = match left.as_hours() / 24 {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if left.unsigned_abs() < EXPIRY_WARNING {
        let message = format!("the token expires on {date}, in {days}; renew it and store it in the same secret");
        return Check::Expiry.warn(message);
    }
    Check::Expiry.pass(format!("the token expires on {date}, in {days}"))
}

/// The date in the header `github-authentication-token-expiration`: `2026-12-31 08:00:00 UTC`, or with an offset such as
/// `+0200`. RFC 3339, as in the rest of the API, is accepted as well.
fn parse_date(text: &str) -> Option<Timestamp> {
    let with_zone = |(time, zone): (&str, &str)| {
        let zone = if matches!(zone, "UTC" | "GMT") { "Z" } else { zone };
        format!("{time}{zone}").parse().ok()
    };
    text.parse().ok().or_else(|| text.rsplit_once(' ').and_then(with_zone))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn expiry_warns_two_weeks_before() {
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        let dates = [
            "2026-11-20 08:00:00 UTC",
            "2026-11-20 09:59:59 +0200",
            "2026-11-20 10:00:01 +0200",
            "2026-11-21T08:00:00Z",
            "2026-12-04 07:59:59 UTC",
            "2026-12-04 08:00:00 UTC",
            "2026-12-04T09:00:00+01:00",
            "2027-11-20 08:00:00 -0500",
            "tomorrow",
            "",
        ];
        let finding = |date: Option<&str>, kind| {
            let finding = check_expiry(date, kind, now);
            format!("{} {}", finding.status.icon(), finding.message)
        };
        let mut findings = dates.map(|date| finding(Some(date), TokenKind::FineGrained)).to_vec();
        findings.extend([finding(None, TokenKind::Classic), finding(None, TokenKind::AppUser)]);
        assert_snapshot!(findings.join("\n"), @"
        ❌ the token expired on 2026-11-20 08:00:00 UTC; create a new one and store it
        ❌ the token expired on 2026-11-20 09:59:59 +0200; create a new one and store it
        ⚠️ the token expires on 2026-11-20 10:00:01 +0200, in 0 days; renew it and store it in the same secret
        ⚠️ the token expires on 2026-11-21T08:00:00Z, in 1 day; renew it and store it in the same secret
        ⚠️ the token expires on 2026-12-04 07:59:59 UTC, in 13 days; renew it and store it in the same secret
        ✅ the token expires on 2026-12-04 08:00:00 UTC, in 14 days
        ✅ the token expires on 2026-12-04T09:00:00+01:00, in 14 days
        ✅ the token expires on 2027-11-20 08:00:00 -0500, in 365 days
        ❔ GitHub gives an expiration date that cannot be read: `tomorrow`
        ❔ GitHub gives an expiration date that cannot be read: ``
        ✅ GitHub gives no expiration date
        ⚠️ GitHub gives no expiration date. A user token of a GitHub App expires after 8 hours, unless the app has opted out; store it as a secret only if it has
        ");
    }

    #[test]
    fn scopes_count_only_for_tokens_that_have_scopes() {
        let scopes = |kind, scopes: &[&str]| {
            let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
            let user = AuthenticatedUser { id: 1, login: "mona".to_owned(), scopes, expires: None };
            let findings = check_user(&user, kind, Timestamp::UNIX_EPOCH);
            findings
                .into_iter()
                .find(|it| it.check == Check::Scopes)
                .map(|it| format!("{} {}", it.status.icon(), it.message))
        };
        for kind in [TokenKind::AppUser, TokenKind::FineGrained] {
            assert_eq!(scopes(kind, &[""]), None, "{kind}");
        }
        assert_snapshot!(scopes(TokenKind::Classic, &[""]).unwrap(), @"❌ the token lacks the scope `repo` (it has none); add it in the token's settings");
        assert_snapshot!(scopes(TokenKind::OAuth, &["gist", "workflow"]).unwrap(), @"❌ the token lacks the scope `repo` (it has `gist`, `workflow`); add it in the token's settings");
        assert_snapshot!(scopes(TokenKind::Unknown, &["gist", "repo"]).unwrap(), @"✅ the token has the scope `repo`");
    }
}
