use super::*;

fn listen(v4: Option<[u8; 4]>, v6: bool, port: u16, protocol: network::Protocol) -> Listen {
    Listen { protocol, v4, v6, port, inside: 3000, origin: OriginId(1) }
}

const V4: Option<[u8; 4]> = Some([127, 0, 0, 1]);

#[test]
fn a_port_has_the_same_number_by_every_address() {
    for protocol in [network::Protocol::Tcp, network::Protocol::Udp] {
        let (bound, port) = Published::bind(&listen(V4, true, 0, protocol)).expect("a free port");
        assert_ne!(port, 0);
        let at: Vec<SocketAddr> = bound.iter().map(|it| it.at).collect();
        assert_eq!(at, LOOPBACKS.map(|address| SocketAddr::new(address, port)));
        assert!(bound.iter().all(|it| it.port == 3000));
    }
}

#[test]
fn a_port_that_is_taken_by_one_address_is_published_by_none() {
    let taken = TcpListener::bind(SocketAddr::new(LOOPBACKS[1], 0)).expect("a port of ::1");
    let port = taken.local_addr().expect("its address").port();
    let found = Published::bind(&listen(V4, true, port, network::Protocol::Tcp));
    assert_eq!(found.map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
    // By the other alone it is free, as it was not kept.
    Published::bind(&listen(V4, false, port, network::Protocol::Tcp)).expect("a port of 127.0.0.1");
}
