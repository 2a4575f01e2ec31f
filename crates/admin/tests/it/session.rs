//! Who is let in, and who never is.

use std::time::Duration;

use crate::{Answer, Bench, TOKEN};

const STATUS: &str = "/api/v1/status";

/// Follows a link as a browser does.
async fn follow(bench: &Bench, link: &str) -> Answer {
    let path = link.strip_prefix("http://127.0.0.1:4000").unwrap();
    let headers = [
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    bench.ask("GET", path, &headers).await
}

async fn sign_in(bench: &Bench) -> String {
    let answer = follow(bench, &bench.app.sign_in_link()).await;
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie");
    cookie.split(';').next().unwrap().to_owned()
}

async fn status_with(bench: &Bench, cookie: &str) -> u16 {
    bench
        .ask("GET", STATUS, &[("cookie", cookie)])
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn a_printed_link_signs_a_browser_in_once() {
    let bench = Bench::new();
    let link = bench.app.sign_in_link();
    let answer = follow(&bench, &link).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/ui");
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("goodgate_4000="), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = format!("other=1; {}; more=2", cookie.split(';').next().unwrap());
    assert_eq!(status_with(&bench, &cookie).await, 200);
    let again = follow(&bench, &link).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("no longer works"));
    assert_eq!(again.header("set-cookie"), "");
}

#[tokio::test]
async fn a_used_link_still_leads_whoever_is_signed_in_to_the_page() {
    let bench = Bench::new();
    let link = bench.app.sign_in_link();
    let answer = follow(&bench, &link).await;
    let cookie = answer.header("set-cookie").to_owned();
    let path = link.strip_prefix("http://127.0.0.1:4000").unwrap();
    let again = bench.ask("GET", path, &[("cookie", &cookie)]).await;
    assert_eq!(
        (again.status.as_u16(), again.header("location")),
        (303, "/ui")
    );
}

#[tokio::test]
async fn a_link_may_lead_to_any_page() {
    let bench = Bench::new();
    let link = bench
        .app
        .sign_in_link()
        .replace("/ui?", "/ui/requests/req_1?a=b&");
    let answer = follow(&bench, &link).await;
    assert_eq!(answer.header("location"), "/ui/requests/req_1");
}

#[tokio::test]
async fn a_link_works_for_ten_minutes() {
    let bench = Bench::new();
    let (early, late) = (bench.app.sign_in_link(), bench.app.sign_in_link());
    bench.tick(Duration::from_secs(599));
    assert_eq!(follow(&bench, &early).await.status, 303);
    bench.tick(Duration::from_secs(2));
    assert_eq!(follow(&bench, &late).await.status, 403);
}

#[tokio::test]
async fn who_only_looks_does_not_use_a_link_up() {
    let bench = Bench::new();
    let link = bench.app.sign_in_link();
    let path = link.strip_prefix("http://127.0.0.1:4000").unwrap();
    for (method, headers) in [
        ("HEAD", &[][..]),
        ("GET", &[("sec-purpose", "prefetch;prerender")][..]),
        ("GET", &[("purpose", "prefetch")][..]),
    ] {
        let answer = bench.ask(method, path, headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("set-cookie")),
            (204, "")
        );
    }
    assert_eq!(follow(&bench, &link).await.status, 303);
}

#[tokio::test]
async fn many_links_push_out_the_oldest_not_the_newest() {
    let bench = Bench::new();
    let mut links = Vec::new();
    for _ in 0..40 {
        bench.tick(Duration::from_millis(1));
        links.push(bench.app.sign_in_link());
    }
    assert_eq!(follow(&bench, &links[0]).await.status, 403);
    assert_eq!(follow(&bench, &links[39]).await.status, 303);
}

#[tokio::test]
async fn a_cookie_outlives_a_restart_and_ends_after_a_week() {
    let mut bench = Bench::new();
    let cookie = sign_in(&bench).await;
    bench.restart(TOKEN, "127.0.0.1:4000");
    assert_eq!(status_with(&bench, &cookie).await, 200);
    bench.tick(Duration::from_secs(7 * 86_400));
    assert_eq!(status_with(&bench, &cookie).await, 401);
}

#[tokio::test]
async fn a_cookie_ends_with_the_token_it_was_made_from() {
    let mut bench = Bench::new();
    let cookie = sign_in(&bench).await;
    bench.restart("gga-another-token-another-token-another", "127.0.0.1:4000");
    assert_eq!(status_with(&bench, &cookie).await, 401);
}

#[tokio::test]
async fn a_cookie_that_was_changed_opens_nothing() {
    let bench = Bench::new();
    let cookie = sign_in(&bench).await;
    let (name, value) = cookie.split_once('=').unwrap();
    let (signed, tag) = value.rsplit_once('.').unwrap();
    let (expires, id) = signed.split_once('.').unwrap();
    for value in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{}", tag.trim_end_matches(|c| tag.ends_with(c))),
        format!("f{expires}.{id}.{tag}"),
        format!(
            "{expires}.{}.{tag}",
            id.replace(|c: char| c.is_ascii_digit(), "a")
        ),
        format!("{signed}.é{tag}"),
    ] {
        assert_eq!(
            status_with(&bench, &format!("{name}={value}")).await,
            401,
            "{value}"
        );
    }
    let other_port = cookie.replace("goodgate_4000", "goodgate_4001");
    assert_eq!(status_with(&bench, &other_port).await, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let bench = Bench::new();
    let (one, other) = (sign_in(&bench).await, sign_in(&bench).await);
    let origin = ("origin", "http://127.0.0.1:4000");
    let answer = bench
        .ask("DELETE", "/api/v1/session", &[("cookie", &one), origin])
        .await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(status_with(&bench, &one).await, 401);
    assert_eq!(status_with(&bench, &other).await, 200);
}

#[tokio::test]
async fn the_session_says_who_asks() {
    let bench = Bench::new();
    let token = bench.read("/api/v1/session").await;
    assert_eq!(token["kind"], "token");
    let cookie = sign_in(&bench).await;
    let browser = bench
        .ask("GET", "/api/v1/session", &[("cookie", &cookie)])
        .await
        .json();
    assert_eq!(browser["kind"], "browser");
    assert!(browser["expires_ms"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn the_token_makes_links() {
    let bench = Bench::new();
    let bearer = format!("bearer  {TOKEN}");
    let answer = bench
        .ask(
            "POST",
            "/api/v1/session/links",
            &[("authorization", &bearer)],
        )
        .await;
    assert_eq!(answer.status, 201);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(follow(&bench, &url).await.status, 303);
}

#[tokio::test]
async fn without_cookie_or_token_everything_of_the_api_is_closed() {
    let bench = Bench::new();
    let basic = ("authorization", "Basic dXNlcjpwYXNz");
    let wrong = ("authorization", "Bearer gga-wrong");
    for headers in [&[][..], &[basic], &[wrong], &[("authorization", "Bearer")]] {
        for path in [STATUS, "/api/v1/requests", "/api/v1/nothing", "/api/"] {
            let answer = bench.ask("GET", path, headers).await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.problem(), "not_signed_in");
        }
    }
}

#[tokio::test]
async fn a_virtual_key_opens_nothing_wherever_it_is_shown() {
    let bench = Bench::new();
    let cookie = sign_in(&bench).await;
    let key = "sk-gg-dev-7Kq3mZ";
    let bearer = format!("Bearer {key}");
    for (path, header) in [
        (STATUS, ("authorization", &*bearer)),
        (STATUS, ("authorization", key)),
        (STATUS, ("authorization", "Basic c2stZ2ctZGV2LTdLcTNtWjo=")),
        (STATUS, ("x-api-key", key)),
        (STATUS, ("api-key", key)),
        (STATUS, ("x-goog-api-key", key)),
        (STATUS, ("proxy-authorization", &*bearer)),
        ("/api/v1/status?key=sk-gg-dev-7Kq3mZ", ("accept", "*/*")),
    ] {
        for headers in [&[header][..], &[header, ("cookie", &cookie)]] {
            let answer = bench.ask("GET", path, headers).await;
            assert_eq!(answer.status, 403, "{header:?}");
            assert_eq!(answer.problem(), "key_opens_no_admin_api");
        }
    }
}

#[tokio::test]
async fn the_tokens_file_is_made_once_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let token = admin::load_token(&bench.folder).unwrap();
    assert!(token.reveal().starts_with("gga-"));
    assert_eq!(admin::load_token(&bench.folder).unwrap(), token);
    let file = bench.folder.path().join("admin-token");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    bench.folder.write_private("admin-token", "\n").unwrap();
    assert_ne!(
        admin::load_token(&bench.folder).unwrap(),
        token,
        "an empty file is no token"
    );
}
