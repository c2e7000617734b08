use super::*;

#[test]
fn localhost_is_what_the_host_says() {
    let found = look_up("localhost").unwrap_or_else(|Failed(why)| panic!("{why}"));
    assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
}

#[test]
fn an_answer_comes_once_and_is_remembered() {
    let mut resolver = Resolver::new().unwrap_or_else(|error| panic!("{error}"));
    let now = Instant::now();
    assert!(resolver.ask("localhost", now).is_none());
    // The same question again waits for the same answer.
    assert!(resolver.ask("localhost", now).is_none());
    let mut event = [rustix::event::PollFd::from_borrowed_fd(resolver.event(), rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut event, None), Ok(1));
    let answers = resolver.answers(now);
    assert!(answers.iter().any(|(name, answer)| name == "localhost" && answer.is_ok()));
    assert!(resolver.ask("localhost", now).is_some_and(|answer| answer.is_ok()));
    assert!(resolver.ask("localhost", now + REMEMBERED).is_none(), "not for long");
}
