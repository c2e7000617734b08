//! Requests as people have them at hand: `request GET https://api.example.org/v1?q=1`, for which a claim says
//! `request GET https "api.example.org" "/v1?q=1"`.

/// `request` with its URL, where it has one, in the words of a claim; as it is otherwise.
pub(crate) fn as_claim(request: &str) -> String {
    converted(request).unwrap_or_else(|| request.to_owned())
}

fn converted(request: &str) -> Option<String> {
    let rest = request.trim().strip_prefix("request ")?.trim_start();
    let (method, url) = rest.split_once(' ')?;
    let (scheme, rest) = url.trim().split_once("://")?;
    // A fragment stays with the program (RFC 3986, 3.5).
    let rest = rest.split('#').next().unwrap_or_default();
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if digits(port) => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    let bare = host.starts_with(['[', '$']) || host.parse::<std::net::Ipv4Addr>().is_ok();
    let host = if bare { host.to_owned() } else { format!("\"{host}\"") };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let quotes = url.contains(['"', '\\']) || !matches!(scheme, "http" | "https");
    (!quotes).then(|| format!("request {method} {scheme} {host}{port} \"{path}\""))
}
