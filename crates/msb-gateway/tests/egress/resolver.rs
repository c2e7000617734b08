//! The host's resolver: answers of zones that no zone should have, below `dns.example`. Everything else does not exist.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::sandbox::{PRIVATE, PUBLIC};

/// Serves on port 53 of the loopback, by datagrams and streams.
pub fn serve() {
    let at = (Ipv4Addr::LOCALHOST, 53);
    let socket = UdpSocket::bind(at).unwrap();
    let listener = TcpListener::bind(at).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((read, from)) = socket.recv_from(&mut buffer) {
            let (asked, socket) = (buffer[..read].to_vec(), socket.try_clone().unwrap());
            thread::spawn(move || {
                let mut answer = answer(&asked);
                if answer.is_empty() {
                    return;
                }
                if answer.len() > 512 {
                    // Cut: ask again by TCP (RFC 1035, 4.2.1).
                    answer.truncate(512);
                    answer[2] |= 2;
                }
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, from);
            });
        }
    });
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
                    if stream.read_exact(&mut asked).is_err() {
                        return;
                    }
                    let answer = answer(&asked);
                    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    if stream.write_all(&[&length[..], &answer].concat()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

static FLIPPED: Mutex<bool> = Mutex::new(false);

fn answer(asked: &[u8]) -> Vec<u8> {
    let end = 12 + asked[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let first = String::from_utf8_lossy(&asked[13..13 + usize::from(asked[12])]).into_owned();
    let is_a = asked[end - 3] == 1;
    let is_ours = asked[..end].windows(4).any(|four| four == b"\x03dns");
    let mut records: Vec<Vec<u8>> = Vec::new();
    // Names are pointers to the question, or, for an alias, the first label with a letter more.
    let record = |owner: &[u8], kind: u8, data: &[u8]| {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [owner, &[0, kind, 0, 1, 0, 0, 0, 1], &length, data].concat()
    };
    let a = |owner: &[u8], address: Ipv4Addr| record(owner, 1, &address.octets());
    let here: &[u8] = &[0xc0, 12];
    let alias = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes(), &[0]].concat();
    let mut code = 0;
    match first.as_str() {
        _ if !is_ours => code = 3,
        _ if !is_a => {}
        "chain" | "private-chain" => {
            let to = if first == "chain" { PUBLIC } else { PRIVATE };
            records.push(record(here, 5, &alias("one")));
            records.push(record(&alias("one"), 5, &alias("two")));
            records.push(a(&alias("two"), to));
        }
        "loops" => records.push(record(here, 5, here)),
        "mixed" => records.extend([a(here, PRIVATE), a(here, PUBLIC), a(here, Ipv4Addr::LOCALHOST)]),
        "many" => records.extend((0..60).map(|_| a(here, PUBLIC))),
        "fails" => code = 2,
        "silent" => return Vec::new(),
        "nonsense" => return asked[..2].iter().copied().chain((0..200).map(|byte| byte ^ 0x5a)).collect(),
        "cut" => {
            let mut answer = [&asked[..2], &[0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0], &asked[12..end]].concat();
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 203]);
            return answer;
        }
        "other-question" => {
            let other = b"\x03api\x07example\x03org\0\0\x01\0\x01";
            let head = [&asked[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], &other[..]].concat();
            return [head, a(here, PUBLIC)].concat();
        }
        "enormous" => {
            records.push(a(here, PUBLIC));
            let others = (0..3000_u16).map(u16::to_be_bytes);
            records.extend(others.map(|[high, low]| a(here, Ipv4Addr::new(203, 0, 114 + high, low))));
        }
        "slow" => {
            thread::sleep(Duration::from_millis(700));
            records.push(a(here, PUBLIC));
        }
        "flips" => {
            let was = std::mem::replace(&mut *FLIPPED.lock().unwrap(), true);
            records.push(a(here, if was { PRIVATE } else { PUBLIC }));
        }
        _ => code = 3,
    }
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    let head = [&asked[..2], &[0x81, 0x80 | code, 0, 1], &count, &[0; 4]].concat();
    [head, asked[12..end].to_vec(), records.concat()].concat()
}
