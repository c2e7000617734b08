//! Descriptors over sockets.

use msb_sys::rights::{DESCRIPTORS_MAX, receive, send};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, FdFlags, fcntl_getfd, read, write};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

#[test]
fn a_descriptor_comes_with_its_message_and_is_closed_on_exec() {
    let (here, there) = pair();
    let (reader, writer) = pair();
    send(&here, b"hello", &[writer], SendFlags::empty()).unwrap();
    let mut bytes = [0; 16];
    let (length, came) = receive(&there, &mut bytes, RecvFlags::empty()).unwrap();
    assert_eq!(bytes.get(..length), Some(b"hello".as_slice()));
    let came = came.unwrap();
    assert_eq!(fcntl_getfd(&came), Ok(FdFlags::CLOEXEC));
    write(&came, b"x").unwrap();
    assert_eq!(read(&reader, &mut bytes), Ok(1));
}

#[test]
fn a_message_may_have_no_descriptor_and_a_closed_socket_has_no_message() {
    let (here, there) = pair();
    send(&here, b"ab", &[], SendFlags::empty()).unwrap();
    let mut bytes = [0; 1];
    assert!(matches!(receive(&there, &mut bytes, RecvFlags::empty()), Ok((1, None))));
    assert_eq!(bytes, *b"a");
    assert!(matches!(receive(&there, &mut bytes, RecvFlags::DONTWAIT), Err(Errno::AGAIN)));
    drop(here);
    assert!(matches!(receive(&there, &mut bytes, RecvFlags::empty()), Ok((0, None))));
}

#[test]
fn of_several_descriptors_the_first_comes_and_the_others_are_closed() {
    let (here, there) = pair();
    let (reader, writer) = pair();
    let (second_reader, second_writer) = pair();
    send(&here, b"2", &[writer, second_writer], SendFlags::empty()).unwrap();
    let mut bytes = [0; 1];
    let (_, came) = receive(&there, &mut bytes, RecvFlags::empty()).unwrap();
    // Nobody is left who could write to the second.
    assert_eq!(read(&second_reader, &mut bytes), Ok(0));
    write(came.unwrap(), b"x").unwrap();
    assert_eq!(read(&reader, &mut bytes), Ok(1));
}

#[test]
fn more_than_there_is_room_for_are_not_sent() {
    let (here, there) = pair();
    let many: Vec<OwnedFd> = (0..=DESCRIPTORS_MAX).map(|_| pair().0).collect();
    assert_eq!(send(&here, b"m", &many, SendFlags::empty()), Err(Errno::MSGSIZE));
    let all = many.get(1..).unwrap();
    assert_eq!(send(&here, b"m", all, SendFlags::empty()), Ok(()));
    assert!(matches!(receive(&there, &mut [0; 1], RecvFlags::empty()), Ok((1, Some(_)))));
}
