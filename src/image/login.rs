//! What a registry asks for before it answers, and what it is told: nothing, a user and a password, or a token.
//!
//! Invariants. A credential goes to the registry that it is for, and to the place that this registry names for tokens, over
//! an encrypted line (or where both are on this machine). It stands in no error. Tokens are never kept on the disk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::cause::{Result, login, odd, rate_limited, unreachable};
use super::credentials::Credential;
use super::http::{Http, Method, Question};
use super::url::{Url, escaped};

/// No answer with a token is longer, in bytes.
const TOKEN: u64 = 512 << 10;

/// One `WWW-Authenticate`. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The one that can be met, of all headers of an answer; tokens before passwords.
    pub fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        let mut basic = None;
        for header in headers {
            let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let find = |name: &str| {
                    parameters(rest).into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
                };
                if let Some(realm) = find("realm") {
                    return Some(Challenge::Bearer { realm, service: find("service"), scope: find("scope") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
        basic
    }
}

/// `a="b,c",d=e`: commas stand in quotes, too.
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, after)) => (value, after),
                None => break,
            },
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = after.trim_start_matches([',', ' ']);
    }
    found
}

/// The text of `Authorization` that meets the challenge; `None` where a registry that asks for a password gets none.
pub fn meet(
    http: &Http,
    registry: &Url,
    repository: &str,
    challenge: &Challenge,
    credential: Option<&Credential>,
) -> Result<String> {
    match (challenge, credential) {
        (_, Some(Credential::Bearer(token))) => Ok(format!("Bearer {token}")),
        (Challenge::Basic, Some(Credential::Password { user, password })) => Ok(basic(user, password)),
        (Challenge::Basic, _) => Err(login(&registry.host, "it asks for a user and a password, and none is known here")),
        (Challenge::Bearer { realm, service, scope }, credential) => {
            let realm = Url::parse(realm).filter(|realm| registry.may_lead_to(realm));
            let realm = realm.ok_or_else(|| odd(&registry.host, "the place that it names for tokens is not a safe one"))?;
            let own = format!("repository:{repository}:pull");
            let asked = scope.as_deref().filter(|scope| scope.starts_with("repository:") && scope.ends_with(":pull"));
            token(http, registry, realm, service.as_deref(), asked.unwrap_or(&own), credential)
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn token(
    http: &Http,
    registry: &Url,
    realm: Url,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
) -> Result<String> {
    let service = service.unwrap_or(&registry.host);
    let (url, form, authorization) = match credential {
        Some(Credential::Identity(identity)) => {
            let form = format!(
                "grant_type=refresh_token&service={}&scope={}&client_id=driftless&refresh_token={}",
                escaped(service),
                escaped(scope),
                escaped(identity)
            );
            (realm, Some(form), None)
        }
        Some(Credential::Password { user, password }) => {
            (realm.with_query(&[("service", service), ("scope", scope)]), None, Some(basic(user, password)))
        }
        Some(Credential::Bearer(_)) | None => (realm.with_query(&[("service", service), ("scope", scope)]), None, None),
    };
    let question =
        Question { method: Method::Token, url: &url, accept: None, authorization: authorization.as_deref(), form, limit: TOKEN };
    let reply = http.ask(&question)?;
    match reply.status {
        200 => {}
        400 | 401 | 403 if credential.is_some() => {
            return Err(login(&registry.host, "the login that is kept for it is not taken"));
        }
        401 | 403 => return Err(login(&registry.host, "it gives no token without a login; or there is no such image")),
        429 => return Err(rate_limited(&url.host, super::registry::retry_after(&reply))),
        status if status >= 500 => return Err(unreachable(&url.host, &format!("it answers {status}"))),
        status => return Err(odd(&url.host, &format!("{status} to a question for a token"))),
    }
    let answer: Token = serde_json::from_slice(&reply.body).map_err(|_| odd(&url.host, "no token"))?;
    let token = answer.token.or(answer.access_token).filter(|token| is_token(token));
    Ok(format!("Bearer {}", token.ok_or_else(|| odd(&url.host, "no token"))?))
}

/// What may stand in a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str]) -> Option<Challenge> {
        Challenge::of(headers.iter().copied())
    }

    #[test]
    fn challenges_are_read_with_commas_in_quotes() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer { realm: realm.to_owned(), service: text(service), scope: text(scope) })
        };
        let docker =
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            of(&[docker]),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(of(&["Basic realm=\"x\"", "bearer realm=https://a/t, service=s"]), bearer("https://a/t", Some("s"), None));
        assert_eq!(of(&["BASIC realm=\"x\""]), Some(Challenge::Basic));
        for odd in [&[][..], &["Negotiate"], &["Bearer service=\"x\""], &["Bearer realm=\"x"], &[""]] {
            assert_eq!(of(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_token_is_what_a_header_can_hold() {
        assert!(is_token("abc.def-ghi="));
        for bad in ["", "a b", "a\r\nX: y", "é"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
