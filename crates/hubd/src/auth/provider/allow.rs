//! Whom of a provider's people the hub lets in, and who is an admin.

use hub_api::hub::{Auth, Oauth, OauthKind};

use super::claims::Person;

/// Whether a person of this provider may log in under `name`, as the configuration alone says; users who are in the hub
/// already are the caller's to look for.
pub fn is_allowed(auth: &Auth, provider: &Oauth, name: &str, person: &Person) -> bool {
    let listed = |list: &[String]| list.iter().any(|one| one == name);
    provider.allow_all
        || listed(&auth.allowed_users)
        || listed(&auth.admin_users)
        || shares(&provider.allowed_groups, &person.groups)
        || shares(&provider.admin_groups, &person.groups)
        || shares(&provider.allowed_organizations, &person.organizations)
        || is_of_domain(provider, person)
}

/// Whether the provider makes the person an admin; `None`: it has no say.
pub fn is_admin(provider: &Oauth, person: &Person) -> Option<bool> {
    (!provider.admin_groups.is_empty()).then(|| shares(&provider.admin_groups, &person.groups))
}

fn shares(wanted: &[String], has: &[String]) -> bool {
    // GitHub and GitLab do not tell upper from lower case in these names.
    wanted
        .iter()
        .any(|one| has.iter().any(|other| one.eq_ignore_ascii_case(other)))
}

/// A domain counts when the provider has verified an address in it, or says that the account is the domain's own. A
/// subdomain is another domain; `*.uni.example` names them all. At Google anybody may have an account of their own with an
/// address of a domain that is somebody's Workspace: there the domain has to be the account's (CVE-2024-29033).
fn is_of_domain(provider: &Oauth, person: &Person) -> bool {
    const OF_NO_WORKSPACE: [&str; 2] = ["gmail.com", "googlemail.com"];
    let allowed = &provider.allowed_domains;
    let email = person
        .verified_email
        .as_deref()
        .and_then(|email| email.rsplit_once('@'))
        .map(|(_, domain)| domain)
        .filter(|domain| {
            provider.kind != OauthKind::Google
                || OF_NO_WORKSPACE
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(domain))
        });
    let domains: Vec<String> = email
        .into_iter()
        .chain(person.hosted_domain.as_deref())
        .map(str::to_lowercase)
        .collect();
    allowed.iter().map(|one| one.to_lowercase()).any(|one| {
        domains.iter().any(|domain| match one.strip_prefix("*.") {
            Some(parent) => domain
                .strip_suffix(parent)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => *domain == one,
        })
    })
}

/// The hub's name for a person: prefixed, the domain taken off where it is one that the configuration names.
pub fn username(provider: &Oauth, person: &Person) -> String {
    let name = &person.username;
    let bare = name
        .rsplit_once('@')
        .filter(|(local, domain)| {
            !local.is_empty()
                && provider
                    .strip_domain
                    .as_deref()
                    .is_some_and(|strip| strip.eq_ignore_ascii_case(domain))
        })
        .map_or(&**name, |(local, _)| local);
    format!("{}{bare}", provider.username_prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(edit: impl FnOnce(&mut Oauth)) -> Oauth {
        let mut provider: Oauth = serde_json::from_value(serde_json::json!({
            "id": "uni", "kind": "oidc", "client_id": "hub", "client_secret_file": "/x",
        }))
        .unwrap();
        edit(&mut provider);
        provider
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// CVE-2024-29033: a verified address of a domain does not make an account the domain's.
    #[test]
    fn at_google_it_is_the_workspace_that_counts() {
        let provider = |domain: &str| {
            provider(|p| {
                p.kind = OauthKind::Google;
                p.allowed_domains = list(&[domain]);
            })
        };
        let person = |email: &str, hosted: Option<&str>| Person {
            username: email.to_owned(),
            verified_email: Some(email.to_owned()),
            hosted_domain: hosted.map(str::to_owned),
            ..Person::default()
        };
        for (domain, email, hosted, expected) in [
            ("uni.example", "ada@uni.example", Some("uni.example"), true),
            ("uni.example", "ada@uni.example", None, false),
            (
                "uni.example",
                "ada@uni.example",
                Some("other.example"),
                false,
            ),
            ("gmail.com", "ada@gmail.com", None, true),
            ("gmail.com", "ada@uni.example", Some("uni.example"), false),
        ] {
            let person = person(email, hosted);
            let allowed = is_allowed(&Auth::default(), &provider(domain), email, &person);
            assert_eq!(allowed, expected, "{domain} {email} {hosted:?}");
        }
    }

    #[test]
    fn nobody_is_let_in_whom_no_list_names() {
        let auth = Auth {
            allow_all: true,
            ..Auth::default()
        };
        let ada = Person {
            username: "ada".to_owned(),
            ..Person::default()
        };
        assert!(
            !is_allowed(&auth, &provider(|_| ()), "ada", &ada),
            "the hub's own allow_all is not the provider's"
        );
        assert!(is_allowed(
            &Auth::default(),
            &provider(|p| p.allow_all = true),
            "ada",
            &ada
        ));
        for (auth, expected) in [
            (
                Auth {
                    allowed_users: list(&["ada"]),
                    ..Auth::default()
                },
                true,
            ),
            (
                Auth {
                    admin_users: list(&["ada"]),
                    ..Auth::default()
                },
                true,
            ),
            (
                Auth {
                    allowed_users: list(&["ad", "adam"]),
                    ..Auth::default()
                },
                false,
            ),
        ] {
            assert_eq!(is_allowed(&auth, &provider(|_| ()), "ada", &ada), expected);
        }
    }

    #[test]
    fn by_group_organisation_and_domain() {
        let person = Person {
            groups: list(&["physics", "Uni:Teachers"]),
            organizations: list(&["uni"]),
            verified_email: Some("ada@phys.uni.example".to_owned()),
            ..Person::default()
        };
        let allowed = |edit: &dyn Fn(&mut Oauth)| {
            is_allowed(&Auth::default(), &provider(edit), "ada", &person)
        };
        assert!(allowed(&|p| p.allowed_groups = list(&["uni:teachers"])));
        assert!(allowed(&|p| p.admin_groups = list(&["physics"])));
        assert!(!allowed(&|p| p.allowed_groups = list(&["uni"])));
        assert!(allowed(&|p| p.allowed_organizations = list(&["Uni"])));
        assert!(!allowed(&|p| p.allowed_organizations = list(&["physics"])));
        for (domain, expected) in [
            ("phys.uni.example", true),
            ("PHYS.uni.example", true),
            ("*.uni.example", true),
            ("uni.example", false),
            ("*.phys.uni.example", false),
            ("*.ni.example", false),
            ("example", false),
        ] {
            assert_eq!(
                allowed(&|p| p.allowed_domains = list(&[domain])),
                expected,
                "{domain}"
            );
        }
        let teachers = provider(|p| p.admin_groups = list(&["physics"]));
        assert_eq!(is_admin(&teachers, &person), Some(true));
        assert_eq!(is_admin(&teachers, &Person::default()), Some(false));
        assert_eq!(is_admin(&provider(|_| ()), &person), None);
    }

    #[test]
    fn an_unverified_address_is_of_no_domain() {
        let uni = provider(|p| p.allowed_domains = list(&["uni.example"]));
        assert!(!is_of_domain(
            &uni,
            &Person {
                username: "ada@uni.example".to_owned(),
                ..Person::default()
            }
        ));
        let tricky = Person {
            verified_email: Some("\"@uni.example\"@evil.example".to_owned()),
            ..Person::default()
        };
        assert!(!is_of_domain(&uni, &tricky));
        assert!(is_of_domain(
            &uni,
            &Person {
                hosted_domain: Some("uni.example".to_owned()),
                ..Person::default()
            }
        ));
    }

    #[test]
    fn names_are_mapped() {
        for (sent, prefix, strip, expected) in [
            ("ada", "", None, "ada"),
            ("ada@uni.example", "", None, "ada@uni.example"),
            ("ada@Uni.example", "", Some("uni.example"), "ada"),
            (
                "ada@evil.example",
                "",
                Some("uni.example"),
                "ada@evil.example",
            ),
            ("@uni.example", "", Some("uni.example"), "@uni.example"),
            ("ada", "gh-", None, "gh-ada"),
        ] {
            let provider = provider(|p| {
                p.username_prefix = prefix.to_owned();
                p.strip_domain = strip.map(str::to_owned);
            });
            let person = Person {
                username: sent.to_owned(),
                ..Person::default()
            };
            assert_eq!(username(&provider, &person), expected, "{sent}");
        }
    }
}
