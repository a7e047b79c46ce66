//! Laws of the formats: what is written is read back, however the bytes are cut, and no bytes at all do harm.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use rookery::announce::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, AnnouncedPeer, PeerForm, ScrapeRequest, ScrapeResponse,
    SwarmCounts, TrackerUrl,
};
use rookery::base::{
    Bitfield, Block, ByteCount, ByteRate, InfoHash, Layout, PeerId, PieceIndex, Sha1Digest, Zone, check_bencode,
};
use rookery::control::{self, Attached, Codec, Mark, Order, Progress, Status, TrackerHealth};
use rookery::metainfo::{Info, Metainfo};
use rookery::wire::{ExtensionHandshake, Framer, Handshake, Message, Received};

/// Cuts `bytes` at the lengths `cuts`, over and over.
fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for length in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (part, rest) = bytes.split_at((*length).clamp(1, bytes.len()));
        parts.push(part);
        bytes = rest;
    }
    parts
}

fn bulk(length_max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..length_max).prop_map(Bytes::from)
}

fn piece() -> impl Strategy<Value = PieceIndex> {
    any::<u32>().prop_map(PieceIndex)
}

fn block() -> impl Strategy<Value = Block> {
    (piece(), any::<u32>(), any::<u32>()).prop_map(|(piece, begin, length)| Block { piece, begin, length })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        piece().prop_map(Message::Have),
        bulk(64).prop_map(Message::Bitfield),
        block().prop_map(Message::Request),
        (piece(), any::<u32>(), bulk(300)).prop_map(|(piece, begin, data)| Message::Piece { piece, begin, data }),
        block().prop_map(Message::Cancel),
        any::<u16>().prop_map(Message::Port),
        piece().prop_map(Message::Suggest),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        block().prop_map(Message::Reject),
        piece().prop_map(Message::AllowedFast),
        (any::<u8>(), bulk(64)).prop_map(|(id, payload)| Message::Extended { id, payload }),
    ]
}

fn handshake() -> impl Strategy<Value = Handshake> {
    let fields = (any::<[u8; 8]>(), any::<[u8; 20]>(), any::<[u8; 20]>());
    fields.prop_map(|(reserved, info_hash, peer_id)| Handshake {
        reserved,
        info_hash: InfoHash::new(info_hash),
        peer_id: PeerId::new(peer_id),
    })
}

fn zone() -> impl Strategy<Value = Option<Zone>> {
    option::of("[a-z0-9 é&=%+]{1,30}").prop_map(|name| name.map(|name| name.parse().expect("a short line")))
}

fn extension_handshake() -> impl Strategy<Value = ExtensionHandshake> {
    (
        btree_map("[a-z_]{1,12}", any::<u8>(), 0..5),
        option::of("[a-zA-Z0-9 ./é]{0,30}"),
        option::of(any::<u32>()),
        option::of(any::<u16>()),
        option::of(any::<IpAddr>()),
        any::<bool>(),
        option::of(any::<u32>()),
        zone(),
    )
        .prop_map(|(extensions, client, request_queue, port, your_ip, upload_only, metadata_size, zone)| {
            ExtensionHandshake { extensions, client, request_queue, port, your_ip, upload_only, metadata_size, zone }
        })
}

/// Every message a framer finds in `parts`, and whether it failed.
fn frame<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Received>, bool) {
    let mut framer = Framer::new();
    let mut received = Vec::new();
    for part in parts {
        framer.buffer_mut().extend_from_slice(part);
        loop {
            match framer.poll() {
                Ok(Some(next)) => received.push(next),
                Ok(None) => break,
                Err(_) => return (received, true),
            }
        }
    }
    (received, false)
}

fn metainfo() -> impl Strategy<Value = Metainfo> {
    let trackers = (option::of("[a-z:/0-9.]{0,40}"), vec(vec("[a-z:/0-9.]{0,20}", 1..4), 0..4));
    let payload = ("[a-zA-Z0-9é._-]{1,40}x", 1_u64..5_000_000, prop::sample::select(vec![16_384_u32, 65_536, 1 << 20]));
    (trackers, payload, any::<u8>()).prop_map(|((announce, announce_list), (name, total, piece_length), seed)| {
        let layout = Layout::new(total, piece_length).expect("a payload of few pieces");
        let pieces: Vec<_> =
            layout.pieces().map(|piece| Sha1Digest::new([seed.wrapping_add(piece.0 as u8); 20])).collect();
        let info = Info::single(&name, layout, &pieces).expect("a plain name");
        Metainfo { announce, announce_list, info }
    })
}

fn announce_request() -> impl Strategy<Value = AnnounceRequest> {
    let event = prop::sample::select(vec![
        None,
        Some(AnnounceEvent::Started),
        Some(AnnounceEvent::Completed),
        Some(AnnounceEvent::Stopped),
    ]);
    let who = (any::<[u8; 20]>(), any::<[u8; 20]>(), any::<u16>(), option::of(any::<IpAddr>()));
    let amounts = (any::<u64>(), any::<u64>(), any::<u64>(), zone());
    let rest = (event, option::of(any::<u32>()), option::of(any::<bool>()), option::of(bulk(20)), option::of(bulk(20)));
    (who, amounts, rest).prop_map(|((info_hash, peer_id, port, ip), (uploaded, downloaded, left, zone), rest)| {
        let (event, numwant, compact, key, tracker_id) = rest;
        let fresh = AnnounceRequest::new(InfoHash::new(info_hash), PeerId::new(peer_id), port);
        let (uploaded, downloaded, left) = (ByteCount(uploaded), ByteCount(downloaded), ByteCount(left));
        AnnounceRequest { uploaded, downloaded, left, event, numwant, compact, key, tracker_id, ip, zone, ..fresh }
    })
}

fn peer(form: PeerForm) -> impl Strategy<Value = AnnouncedPeer> {
    let address = (any::<IpAddr>(), 1_u16..).prop_filter("it can be dialled", |(ip, _)| !ip.is_unspecified());
    (address, option::of(any::<[u8; 20]>())).prop_map(move |(address, id)| AnnouncedPeer {
        address: SocketAddr::from(address),
        peer_id: id.filter(|_| form == PeerForm::Dictionaries).map(PeerId::new),
    })
}

fn announce_response() -> impl Strategy<Value = (AnnounceResponse, PeerForm)> {
    prop::sample::select(vec![PeerForm::Compact, PeerForm::Dictionaries]).prop_flat_map(|form| {
        let text = || option::of("[ -~é]{0,40}");
        let seconds = || (0_u64..86_400).prop_map(Duration::from_secs);
        let fields = (
            text(),
            seconds(),
            option::of(seconds()),
            option::of(any::<u32>()),
            option::of(any::<u32>()),
            option::of(bulk(20)),
        );
        (fields, vec(peer(form), 0..20)).prop_map(move |(fields, mut peers)| {
            let (warning, interval, min_interval, complete, incomplete, tracker_id) = fields;
            if form == PeerForm::Compact {
                peers.sort_by_key(|peer| peer.address.is_ipv6());
            }
            (AnnounceResponse { warning, interval, min_interval, complete, incomplete, tracker_id, peers }, form)
        })
    })
}

fn status() -> impl Strategy<Value = Status> {
    let progress = (any::<u32>(), vec((any::<u32>(), any::<u32>()), 0..5), any::<u64>(), any::<u64>(), any::<u16>());
    prop_oneof![
        (any::<u32>(), ".{0,20}", any::<u32>()).prop_map(|(protocol, version, pid)| Status::Hello {
            protocol,
            version,
            pid
        }),
        (any::<u16>(), bulk(64)).prop_map(|(port, bitfield)| Status::Serving { port, bitfield }),
        progress.prop_map(|(pieces, completed, bytes, rate, peers)| Status::Progress(Progress {
            pieces,
            completed,
            bytes_down: ByteCount(bytes),
            rate_up: ByteRate(rate),
            peers,
            tracker: TrackerHealth::Silent,
            ..Progress::default()
        })),
        Just(Status::Verifying),
        ".{0,60}".prop_map(|text| Status::Note { text }),
        (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(instance, taken, pid)| Status::Attached(Attached {
            instance,
            taken,
            pid
        })),
        vec(".{0,20}", 0..4).prop_map(|left_behind| Status::Stopped { left_behind }),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        (any::<u64>(), bulk(200)).prop_map(|(offset, bulk)| Order::Data { offset, bulk }),
        (vec(any::<SocketAddr>(), 0..5), vec(any::<IpAddr>(), 0..5)).prop_map(|(listening, allow)| Order::Peers {
            listening: listening.into_iter().map(plain).collect(),
            allow
        }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(up, down)| Order::Limits { max_upload: ByteRate(up), max_download: ByteRate(down) }),
        any::<bool>().prop_map(|on| Order::Watch { on }),
        option::of((any::<u64>(), any::<u64>()))
            .prop_map(|seen| Order::Attach { seen: seen.map(|(instance, number)| Mark { instance, number }) }),
        Just(Order::Leave),
        any::<bool>().prop_map(|discard_partial| Order::Stop { discard_partial }),
    ]
}

/// An address without scope and flow, which text does not carry.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

/// Bytes that are nearly bencode: every parser gets further with them than with noise.
fn nearly_bencode() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &str = "d l e i-1e i18446744073709551615e i5e 4:info 5:files 4:path 6:length 12:piece length 6:pieces \
        20:aaaaaaaaaaaaaaaaaaaa 4:name 1:x 5:peers 6:peers6 8:interval 8:announce 13:announce-list 1:m \
        18446744073709551615: 0:";
    let word = prop::sample::select(WORDS.split(' ').collect::<Vec<_>>());
    vec(word, 0..40).prop_map(|words| words.concat().into_bytes())
}

fn control_round<T: control::Carried + PartialEq>(values: &[T], cuts: &[usize]) -> Vec<T> {
    let mut stream = Vec::new();
    for (number, value) in (0..).zip(values) {
        let (head, bulk) = control::encode(number, value);
        stream.extend_from_slice(&head);
        stream.extend_from_slice(&bulk);
    }
    let (mut codec, mut seen) = (Codec::clean(), Vec::new());
    for part in cut(&stream, cuts) {
        codec.push(part);
        while let Some((number, value)) = codec.poll::<T>().expect("whole frames") {
            assert_eq!(number, seen.len() as u64);
            seen.push(value);
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_torrent_is_read_as_it_was_written(torrent in metainfo()) {
        prop_assert_eq!(Metainfo::parse(&torrent.encode()), Ok(torrent));
    }

    #[test]
    fn unknown_keys_in_info_are_hashed_and_kept(torrent in metainfo(), key in "z[a-z]{0,8}", value in "[ -~]{0,20}") {
        let mut raw = torrent.info.raw().to_vec();
        raw.pop();
        raw.extend(format!("{}:{key}{}:{value}e", key.len(), value.len()).bytes());
        let info = Info::parse(&raw).unwrap();
        prop_assert_ne!(info.info_hash(), torrent.info_hash());
        let again = Metainfo::parse(&Metainfo::new(None, info.clone()).encode()).unwrap();
        prop_assert_eq!(again.info, info);
    }

    #[test]
    fn messages_are_the_same_however_their_bytes_are_cut(
        hello in handshake(),
        messages in vec(message(), 0..12),
        cuts in vec(1_usize..200, 1..8),
    ) {
        let mut stream = BytesMut::from(&hello.encode()[..]);
        for message in &messages {
            let payload = message.encode(&mut stream);
            stream.extend_from_slice(&payload.unwrap_or_default());
        }
        let mut sent = vec![Received::Handshake(hello)];
        sent.extend(messages.into_iter().map(Received::Message));
        prop_assert_eq!(frame(cut(&stream, &cuts)), (sent, false));
    }

    #[test]
    fn noise_fails_the_same_however_it_is_cut(
        greeted in any::<bool>(),
        hello in handshake(),
        noise in vec(prop_oneof![Just(0_u8), 0_u8..24, any::<u8>()], 0..400),
        cuts in vec(1_usize..40, 1..8),
    ) {
        let greeting = if greeted { hello.encode().to_vec() } else { Vec::new() };
        let stream = [greeting, noise].concat();
        prop_assert_eq!(frame([&stream[..]]), frame(cut(&stream, &cuts)));
    }

    #[test]
    fn an_extension_handshake_is_read_as_it_was_written(handshake in extension_handshake()) {
        prop_assert_eq!(ExtensionHandshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn an_announce_is_read_as_it_was_written(request in announce_request()) {
        let query = request.to_query();
        prop_assert!(query.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(AnnounceRequest::parse(&query), Ok(request));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written((response, form) in announce_response()) {
        prop_assert_eq!(AnnounceResponse::parse(&response.encode(form)), Ok(response));
    }

    #[test]
    fn a_scrape_is_read_as_it_was_written(
        counts in btree_map(any::<[u8; 20]>(), (any::<u32>(), any::<u32>(), any::<u32>()), 0..10),
    ) {
        let info_hashes = counts.keys().copied().map(InfoHash::new).collect();
        let request = ScrapeRequest { info_hashes };
        prop_assert_eq!(ScrapeRequest::parse(&request.to_query()), Ok(request));
        let swarms: BTreeMap<_, _> = counts
            .into_iter()
            .map(|(hash, (complete, downloaded, incomplete))| {
                (InfoHash::new(hash), SwarmCounts { complete, downloaded, incomplete })
            })
            .collect();
        let response = ScrapeResponse { swarms };
        prop_assert_eq!(ScrapeResponse::parse(&response.encode()), Ok(response));
    }

    #[test]
    fn a_tracker_url_is_read_as_it_was_written(address in any::<SocketAddr>(), path in "/[!-\"$-~]{0,40}") {
        let address = SocketAddr::new(address.ip(), address.port().max(1));
        let url: TrackerUrl = format!("http://{address}{path}").parse().unwrap();
        prop_assert_eq!(url.address(), address);
        prop_assert_eq!(url.to_string().parse(), Ok(url));
    }

    #[test]
    fn statuses_and_orders_survive_any_cut(
        statuses in vec(status(), 0..6),
        orders in vec(order(), 0..6),
        cuts in vec(1_usize..100, 1..6),
    ) {
        prop_assert_eq!(control_round(&statuses, &cuts), statuses);
        prop_assert_eq!(control_round(&orders, &cuts), orders);
    }

    #[test]
    fn no_parser_minds_any_bytes(bytes in prop_oneof![vec(any::<u8>(), 0..300), nearly_bencode()]) {
        let _ = check_bencode(&bytes, 100);
        let _ = Metainfo::parse(&bytes);
        let _ = Info::parse(&bytes);
        let _ = ExtensionHandshake::decode(&bytes);
        let _ = AnnounceResponse::parse(&bytes);
        let _ = ScrapeResponse::parse(&bytes);
        let _ = Message::decode(Bytes::copy_from_slice(&bytes));
        let _ = Bitfield::from_bytes(&bytes, bytes.len() as u32 * 8);
        let mut codec = Codec::after_noise();
        codec.push(control::MARKER);
        codec.push(&bytes);
        let _ = codec.poll::<Status>();
        let text = String::from_utf8_lossy(&bytes);
        let _ = AnnounceRequest::parse(&text);
        let _ = ScrapeRequest::parse(&text);
        let _ = text.parse::<TrackerUrl>();
    }

    #[test]
    fn no_announce_parser_minds_any_query(query in "[a-z_=&%0-9A-Z+ -é]{0,120}") {
        let _ = AnnounceRequest::parse(&query);
        let _ = ScrapeRequest::parse(&query);
    }

    #[test]
    fn a_bitfield_agrees_with_a_set(
        pieces in 0_u32..70,
        steps in vec((any::<bool>(), 0_u32..72), 0..60),
        others in btree_set(0_u32..70, 0..40),
    ) {
        let (mut field, mut set) = (Bitfield::empty(pieces), BTreeSet::new());
        for (add, piece) in steps {
            if add {
                prop_assert_eq!(field.insert(PieceIndex(piece)), piece < pieces && set.insert(piece));
            } else {
                prop_assert_eq!(field.remove(PieceIndex(piece)), set.remove(&piece));
            }
        }
        let others: BTreeSet<_> = others.into_iter().filter(|piece| *piece < pieces).collect();
        let mut other = Bitfield::empty(pieces);
        for piece in &others {
            other.insert(PieceIndex(*piece));
        }
        let numbers = |pieces: &mut dyn Iterator<Item = PieceIndex>| pieces.map(|piece| piece.0).collect::<BTreeSet<_>>();
        prop_assert_eq!(field.count() as usize, set.len());
        prop_assert_eq!(numbers(&mut field.iter()), set.clone());
        prop_assert_eq!(numbers(&mut field.missing()), &(0..pieces).collect::<BTreeSet<_>>() - &set);
        prop_assert_eq!(numbers(&mut field.lacks_of(&other)), &others - &set);
        prop_assert_eq!(field.wants_from(&other), !others.is_subset(&set));
        prop_assert!((0..72).all(|piece| field.contains(PieceIndex(piece)) == set.contains(&piece)));
        prop_assert_eq!(Bitfield::from_bytes(field.as_bytes(), pieces), Ok(field.clone()));
        field.union_with(&other);
        prop_assert_eq!(numbers(&mut field.iter()), &set | &others);
    }
}
