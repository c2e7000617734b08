use super::*;
use proptest::prelude::*;

#[test]
fn what_servers_read_differently_is_no_path() {
    for odd in [
        "",
        "v1",
        "/..",
        "/v1/../x",
        "/v1/./x",
        "/v1//x",
        "/%2e%2e/x",
        "/%2E./x",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/%252e%252e/x",
        "/a%0ab",
        "/..;/x",
        "/.;a=b/x",
        "/%ff",
    ] {
        assert_eq!(plain(odd), None, "{odd}");
    }
    for (path, shown) in [
        ("/", "/"),
        ("/v1/", "/v1/"),
        ("/a%20b", "/a b"),
        ("/%7Euser", "/~user"),
        ("/a;b/c", "/a;b/c"),
        ("/...", "/..."),
    ] {
        assert_eq!(plain(path).as_deref(), Some(shown), "{path}");
    }
}

#[test]
fn stars_stop_at_slashes_and_pairs_do_not() {
    for (pattern, path, expected) in [
        ("/v1/*", "/v1/a", true),
        ("/v1/*", "/v1/", true),
        ("/v1/*", "/v1/a/b", false),
        ("/v1/*", "/v1", false),
        ("/v1/**", "/v1/a/b", true),
        ("/v1/**/c", "/v1/a/b/c", true),
        ("/v1/**/c", "/v1/a/b/d", false),
        ("/v?/x", "/v1/x", true),
        ("/v?/x", "/v//x", false),
        ("/*.json", "/a.json", true),
        ("/*.json", "/a/b.json", false),
        ("/**.json", "/a/b.json", true),
        ("/v1", "/v1/", false),
        ("**", "/anything/at all", true),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }
}

proptest! {
    #[test]
    fn any_text_is_decided(pattern in "\\PC{0,20}", path in "\\PC{0,40}") {
        let _ = matches(&pattern, &path);
        if let Some(plain) = plain(&path) {
            prop_assert!(plain.starts_with('/') && !plain.contains("//") && !plain.contains('\0'));
            prop_assert!(plain.split('/').all(|segment| segment != ".." && segment != "."));
            prop_assert!(matches("**", &plain));
        }
    }

    #[test]
    fn a_path_matches_itself(path in "(/[a-z0-9.]{1,5}){1,5}") {
        prop_assert!(matches(&path, &path));
    }
}
