"""Recomputes the golden vectors from SPEC.md with nothing but Python's standard library.

A second reading of the rules that shares no code with the first: run it as `python3 protocol/vectors/check.py`. Ed25519
and BLS signatures are not verified here.
"""

import base64
import hashlib
import json
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def sha256(data):
    return hashlib.sha256(data).digest()


class Cid:
    """R-ID-1: the SHA-256 digest inside a CIDv1 of dag-cbor."""

    head = bytes([0x01, 0x71, 0x12, 0x20])

    def __init__(self, digest):
        self.digest = digest

    def __str__(self):
        return "b" + base64.b32encode(self.head + self.digest).decode().lower().rstrip("=")

    @classmethod
    def parse(cls, text):
        padded = text[1:].upper() + "=" * (-len(text[1:]) % 8)
        data = base64.b32decode(padded)
        assert text[0] == "b" and data[:4] == cls.head and len(data) == 36
        return cls(data[4:])


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, form, limit in ((24, ">B", 2**8), (25, ">H", 2**16), (26, ">I", 2**32), (27, ">Q", 2**64)):
        if n < limit:
            return bytes([major << 5 | code]) + struct.pack(form, n)
    raise ValueError(n)


def encode(value):
    """R-CODEC-1."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, Cid):
        return b"\xd8\x2a" + encode(b"\x00" + Cid.head + value.digest)
    return head(4, len(value)) + b"".join(encode(item) for item in value)


def h(domain, *values):
    """R-HASH-1."""
    return sha256(encode([domain, *values]))


class Stream:
    """R-RAND-1."""

    def __init__(self, seed):
        self.seed, self.counter, self.words = seed, 0, []

    def word(self):
        if not self.words:
            self.words = list(struct.unpack(">8I", sha256(self.seed + struct.pack(">I", self.counter))))
            self.counter += 1
        return self.words.pop(0)

    def below(self, n):
        if n == 1:
            return 0
        while True:
            x = self.word()
            if x < 2**32 - 2**32 % n:
                return x % n


def shuffle(seed, n):
    """R-COM-1."""
    ring, stream = list(range(n)), Stream(seed)
    for i in range(n - 1, 0, -1):
        j = stream.below(i + 1)
        ring[i], ring[j] = ring[j], ring[i]
    return ring


def merkle_root(leaves):
    """R-SYNC-1, RFC 6962 2.1."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:]))


def same(found, expected, what):
    assert found == expected, f"{what}: {found} is not {expected}"


def unhex(text):
    return bytes.fromhex(text)


def signed_bytes(kind, payload):
    """R-SIG-1."""
    return f"secnode:{kind}:{network_id}".encode() + b"\x00" + payload


network = load("network")
network_id = network["networkId"]
genesis, params = network["genesis"], network["params"]
same(
    h(
        "network", genesis["chain"], genesis["activationHeight"], genesis["announceAddress"], genesis["viewingKey"],
        int(genesis["minStake"]), genesis["minSeniors"], genesis["epochBlocks"], genesis["confirmations"],
        genesis["announceBlocks"],
    ).hex()[:32],
    network_id,
    "R-NET-1",
)
same(
    h(
        "params", params["committee"], params["samples"], params["responseMs"], params["retries"],
        params["attestBlocks"], params["minAvailability"], params["maxPerPrefix"], params["evidenceWeeks"],
        params["certifiers"], params["viewBlocks"], params["anchorBlocks"], int(params["anchorBond"]),
        ["fixed", int(params["fund"]["amount"])], int(params["feeReserve"]), params["payoutConfirmations"],
    ).hex(),
    network["paramsHash"],
    "R-NET-2",
)

for announcement in load("announcements"):
    text = announcement["signedText"]
    same(text, f"secnode announcement\n{network_id}\n" + announcement["memo"].split(" sig=")[0], "R-REG-2 text")
    magic = b"\x16Zcash Signed Message:\n"
    length = len(text.encode())
    size = bytes([length]) if length < 0xFD else b"\xfd" + struct.pack("<H", length)
    same(sha256(sha256(magic + size + text.encode())).hex(), announcement["messageDigest"], "R-REG-2 digest")
    same(len(announcement["memo"]) <= 512, True, "R-REG-1 length")

beacons = {}
for epoch in load("epochs"):
    beacon = h("beacon", network_id, epoch["epoch"], unhex(epoch["blockHash"]))
    beacons[epoch["epoch"]] = beacon
    same(beacon.hex(), epoch["beacon"], "R-EPOCH-4")
    ring = shuffle(h("shuffle", beacon), epoch["seats"])
    same(ring, epoch["ring"], "R-COM-1 ring")
    for index, targets in enumerate(epoch["targets"]):
        position = ring.index(index)
        same([ring[(position + 1 + i) % len(ring)] for i in range(epoch["k"])], targets, "R-COM-1 targets")

random = load("random")
seed = unhex(random["seed"])
stream = Stream(seed)
same([stream.word() for _ in random["words"]], random["words"], "R-RAND-1 words")
for case in random["below"]:
    stream = Stream(seed)
    same([stream.below(case["n"]) for _ in case["numbers"]], case["numbers"], f"R-RAND-1 below {case['n']}")
for case in random["shuffles"]:
    same(shuffle(seed, case["n"]), case["ring"], f"R-COM-1 shuffle of {case['n']}")

challenge = load("challenge")
terms = [challenge["targetSeat"], unhex(challenge["targetStake"]), challenge["challengerSeat"], unhex(challenge["nonce"])]
beacon = unhex(challenge["beacon"])
stream = Stream(h("sample", beacon, terms[0], terms[2], terms[3]))
response = encode(["response", network_id, challenge["epoch"], *terms])
for sample in challenge["samples"]:
    same(1 + stream.below(challenge["lastHeight"]), sample["height"], "R-CHAL-2 height")
    same(stream.below(sample["transactions"]), sample["index"], "R-CHAL-2 index")
    raw = unhex(sample["raw"])
    response += struct.pack(">I", len(raw)) + raw
same(sha256(response).hex(), challenge["digest"], "R-CHAL-3")
receipt = encode([network_id, challenge["epoch"], beacon, *terms, sha256(response)])
same(receipt.hex(), challenge["receipt"]["payload"], "R-CHAL-4")
same(str(Cid(sha256(receipt))), challenge["receipt"]["cid"], "R-ID-1")
same(encode([receipt, unhex(challenge["receipt"]["signature"])]).hex(), challenge["receipt"]["encoded"], "R-SIG-1")

evidence = load("evidence")
audit = evidence["audit"]
stream = Stream(h("audit", unhex(audit["beacon"]), evidence["seat"]))
same(stream.below(audit["verdictsValid"]), audit["drawn"], "R-EVID-2")
same(str(Cid(sha256(unhex(evidence["block"])))), evidence["cid"], "R-EVID-1")

stakes = {seat["seat"]: unhex(seat["stake"]) for seat in load("registry")["seats"]}
for epoch in load("attestations"):
    leaves = []
    for row in epoch["attestations"]:
        payload = encode([
            "att", 1, network_id, epoch["epoch"], beacons[epoch["epoch"]], row["seat"], stakes[row["seat"]],
            None if row["previous"] is None else Cid.parse(row["previous"]), unhex(row["verdicts"]),
            [unhex(address) for address in row["addresses"]], Cid.parse(row["evidence"]),
        ])
        same(payload.hex(), row["signed"]["payload"], "R-ATT-1")
        same(signed_bytes("att", payload).hex(), row["signedBytes"], "R-SIG-1")
        leaves.append(encode([row["seat"], Cid(sha256(payload))]))
        same(leaves[-1].hex(), row["leaf"], "R-SYNC-1 leaf")
    same(merkle_root(leaves).hex(), epoch["root"], "R-SYNC-1 root")

checkpoint = load("checkpoint")
week = checkpoint["week"]
announcements = load("announcements")
leaves = []
for seat in load("registry")["seats"]:
    owner = announcements[seat["seat"]]
    leaves.append(encode([
        seat["seat"], unhex(seat["stake"]), unhex(owner["peerKey"]), owner["host"], 9000, 443, unhex(owner["bls"]),
        seat["at"], seat["activeSince"],
    ]))
same(merkle_root(leaves).hex(), checkpoint["registryRoot"], "R-CP-1 registry root")
snapshot_roots = []
for snapshot in load("registry")["snapshots"]:
    rows = [[row["seat"], unhex(row["stake"]), unhex(row["peer"]), row["host"]] for row in snapshot["rows"]]
    snapshot_roots.append(merkle_root([encode(row) for row in rows]))
same([root.hex() for root in snapshot_roots], checkpoint["snapshotRoots"], "R-CP-1 snapshot roots")
seniors = [seat["seat"] for seat in load("registry")["seats"] if seat["activeSince"] is not None]
list_root = merkle_root([encode([seat, unhex(announcements[seat]["bls"])]) for seat in seniors])
same(list_root.hex(), checkpoint["handsOn"]["root"], "R-CP-1 list")
page = encode(["proofs", 1, network_id, week, [unhex(load("equivocation")["proof"])]])
same(page.hex(), checkpoint["proofPages"][0]["bytes"], "R-CP-1 page of proofs")
leaves_by_epoch, epochs = {}, []
for epoch, snapshot, root in zip(load("attestations"), load("registry")["snapshots"], snapshot_roots):
    leaves = [unhex(row["leaf"]) for row in epoch["attestations"] if row["seat"] not in checkpoint["equivocators"]]
    leaves_by_epoch[epoch["epoch"]] = leaves
    same(epoch["epoch"], snapshot["epoch"], "R-CP-1 epochs")
    beacon = beacons[epoch["epoch"]]
    epochs.append([epoch["epoch"], beacon, len(snapshot["rows"]), root, len(leaves), merkle_root(leaves)])
freeze_height = genesis["activationHeight"] + (epochs[-1][0] + 2) * genesis["epochBlocks"]
same(freeze_height, checkpoint["freezeHeight"], "R-CP-1 F")
freeze_hash = sha256(f"secnode vectors block {freeze_height}".encode())
same(freeze_hash.hex(), checkpoint["freezeHash"], "hash of block F")
payload = encode([
    "checkpoint", 2, network_id, week, freeze_hash, checkpoint["previous"], unhex(checkpoint["registryRoot"]),
    [len(seniors), list_root],
    [[week, unhex(network["paramsHash"]), int(params["fund"]["amount"]), epochs, [Cid(sha256(page))]]],
])
same(payload.hex(), checkpoint["payload"], "R-CP-1 payload")
cid = Cid(sha256(payload))
same(str(cid), checkpoint["cid"], "R-CP-1 id")
freeze_beacon = h("beacon", network_id, epochs[-1][0] + 2, freeze_hash)
for view in checkpoint["views"]:
    order = shuffle(h("certifiers", freeze_beacon, view["view"]), len(seniors))
    same([seniors[i] for i in order[: params["certifiers"]]], view["certifiers"], "R-CP-2")
certificate = checkpoint["certificate"]
vote = encode(["vote", 1, network_id, week, certificate["view"], cid, freeze_hash])
same(signed_bytes("vote", vote).hex(), checkpoint["voteMessage"], "R-CP-3")
bitmap = bytes([sum(1 << row["position"] for row in checkpoint["votes"])])
same(bitmap.hex(), certificate["signers"], "R-CP-4 bitmap")
signature = unhex(certificate["signature"])
encoded = encode(["certificate", 1, network_id, week, certificate["view"], cid, bitmap, signature])
same(encoded.hex(), certificate["encoded"], "R-CP-4")
memo = f"secnode:1 anchor week={week} view={certificate['view']} checkpoint={cid}"
memo += f" signers={base64.b64encode(bitmap).decode()} sig={base64.b64encode(signature).decode()}"
same(memo, checkpoint["anchorMemo"], "R-CP-5")
inclusion = checkpoint["inclusion"]
leaves = leaves_by_epoch[inclusion["epoch"]]


def climb(leaves, index, path):
    """RFC 6962 2.1.1, from the leaf up: the root that a path leads to."""
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if index < split:
        return sha256(b"\x01" + climb(leaves[:split], index, path[:-1]) + path[-1])
    return sha256(b"\x01" + path[-1] + climb(leaves[split:], index - split, path[:-1]))


path = [unhex(step) for step in inclusion["path"]]
same(climb(leaves, inclusion["index"], path).hex(), checkpoint["epochs"][-1]["root"], "R-CP-7")

possession = load("possession")
payload = unhex(possession["claims"][0]["bls"] + possession["claims"][0]["stake"])
for kind, name in (("pop", "signedBytes"), ("vote", "voteBytes")):
    same(signed_bytes(kind, payload).hex(), possession[name], f"R-SIG-1 {kind}")

puzzle = load("puzzle")
cookie, effort, nonce = unhex(puzzle["cookie"]), puzzle["effort"], unhex(puzzle["nonce"])
same(encode(["puzzle", cookie, effort, "unpaid"]).hex(), puzzle["answer"], "R-PUZ-1 answer")


def solution(counter):
    """R-PUZ-2."""
    parties = [network_id, puzzle["purpose"], unhex(puzzle["server"]), unhex(puzzle["client"])]
    return encode(["puzzle", *parties, cookie, struct.pack(">I", effort), struct.pack(">Q", counter)])


def is_light(counter):
    return int.from_bytes(sha256(solution(counter))[:6], "big") * effort < 2**48


(found,) = struct.unpack(">Q", nonce)
same(solution(found).hex(), puzzle["solution"], "R-PUZ-2")
same(sha256(solution(found)).hex(), puzzle["hash"], "R-PUZ-2 hash")
same([is_light(counter) for counter in range(found + 1)], [False] * found + [True], "R-PUZ-2 first solution")
same(encode(["paid", solution(found), unhex(puzzle["request"])]).hex(), puzzle["paid"], "R-PUZ-1 paid request")

relay = load("relay")
addresses = {row["seat"]: unhex(row["address"]) for row in relay["candidates"]}


def prefix(seat):
    """R-RELAY-1: a /16 of IPv4, a /32 of IPv6."""
    address = addresses[seat]
    return address[: 2 if len(address) == 4 else 4]


for draw in relay["draws"]:
    order = [relay["candidates"][i]["seat"] for i in reversed(shuffle(unhex(draw["seed"]), len(addresses)))]
    drawn = []
    for seat in order:
        is_fit = seat not in relay["excluded"] and prefix(seat) not in map(prefix, drawn)
        if is_fit and len(drawn) < 3:
            drawn.append(seat)
    same(drawn, draw["path"], "R-RELAY-1 draw")
for failure in relay["failures"]:
    path, link = failure["path"], failure["link"]
    suspects = path if link is None else path[: link + 1]
    same(suspects, failure["suspects"], "R-RELAY-2 suspects")
    order = [relay["candidates"][i]["seat"] for i in reversed(shuffle(unhex(failure["seed"]), len(addresses)))]
    places = [None if seat in suspects else seat for seat in path]
    for place, kept in enumerate(places):
        if kept is None:
            taken = [prefix(seat) for seat in places if seat is not None]
            fit = (seat for seat in order if seat not in suspects and prefix(seat) not in taken)
            places[place] = next(fit)
    same(places, failure["next"], "R-RELAY-2 next path")
for row in relay["endCodes"]:
    back = {"toll": "busy", "busy": "busy", "late": "late", "malformed": "malformed"}.get(row["read"], "gone")
    same([back, "gone"], [row["back"], row["forth"]], "R-RELAY-3 codes passed on")
contents = {"data": (0, unhex(relay["payload"])), "open": (1, b""), "end": (2, b"idle"), "toll": (3, b"puzzle")}
for name, (kind, content) in contents.items():
    cell = struct.pack(">H", 1_024 * kind + len(content)) + content
    same(cell.ljust(1_024, b"\x00").hex(), relay["cells"][name], f"R-RELAY-3 {name}")
extend = encode(["extend", relay["seat"], unhex(relay["peer"])])
same(extend.hex(), relay["messages"]["extend"], "R-RELAY-4 extend")
same(encode(["broadcast", 900, unhex(relay["payload"])]).hex(), relay["messages"]["broadcast"], "R-RELAY-4 broadcast")
same(encode(["part", unhex(relay["payload"])[:300]]).hex(), relay["messages"]["part"], "R-RELAY-4 part")
same(encode(["sent", unhex(relay["txid"])]).hex(), relay["messages"]["sent"], "R-RELAY-4 sent")
frame = struct.pack(">HH", relay["frameBytes"] - 2, len(extend)) + extend
same(frame.ljust(relay["frameBytes"], b"\x00").hex(), relay["frame"], "R-RELAY-4 frame")

WORDS = (
    "valid", "unresolvable", "unreachable", "timeout", "wrong digest", "bad receipt",
    "tls unreachable", "tls invalid", "tls unbound", "evidence invalid",
)


def words_of(attestation, k):
    """R-TALLY-0: (code, address or None) of each target; None where the attestation is absent."""
    if attestation is None:
        return None
    codes, addresses = unhex(attestation["verdicts"]), [unhex(text) for text in attestation["addresses"].split()]
    wrapped = (b"\x00" * 10 + b"\xff\xff", b"\x00\x64\xff\x9b" + b"\x00" * 8)
    is_fit = len(codes) == k and len(addresses) == codes.count(0) and not any(10 <= code <= 254 for code in codes)
    if not is_fit or any(len(a) not in (4, 16) or len(a) == 16 and a[:12] in wrapped for a in addresses):
        return None
    return [(code, addresses.pop(0)[:8] if code == 0 else None) for code in codes]


def judge(case):
    """R-TALLY-1 to R-TALLY-4."""
    n = len(case["attestations"])
    k = min(case["committee"], n - 1)
    ring = shuffle(h("shuffle", unhex(case["beacon"])), n)
    said = [words_of(attestation, k) for attestation in case["attestations"]]
    targets = {ring[p]: [ring[(p + 1 + i) % n] for i in range(k)] for p in range(n)}
    about = {index: [] for index in range(n)}
    for index in range(n):
        for target, word in zip(targets[index], said[index] or []):
            about[target].append(word)
    classes, named = {}, {}
    for index, words in about.items():
        faults = [code for code, _ in words if 1 <= code <= 9]
        addresses = [address for code, address in words if code == 0]
        classes[index], named[index] = "undecided", None
        if 2 * len(addresses) > k:
            classes[index] = "valid"
            most = max(addresses, key=addresses.count)
            if 2 * addresses.count(most) > k:
                named[index] = (most, addresses.count(most))
        elif 2 * len(faults) > k:
            reason = min(faults, key=lambda code: (-faults.count(code), code))
            classes[index] = f"invalid: {WORDS[reason]}"
    late = {index: "undecided: no address" for index in range(n) if classes[index] == "valid" and not named[index]}
    stay = sorted((index for index in range(n) if named[index]), key=lambda index: (-named[index][1], index))
    limits = [(8, (4, 8), 1, "invalid: address shared")]
    if case["maxPerPrefix"] > 0:
        limits += [(3, (4,), case["maxPerPrefix"], "invalid: prefix full")]
        limits += [(2, (4,), case["maxPerPrefix"], "invalid: prefix full")]
        limits += [(6, (8,), case["maxPerPrefix"], "invalid: prefix full")]
    for size, families, most, word in limits:
        room, kept = {}, []
        for index in stay:
            address = named[index][0]
            prefix = address[:size]
            if len(address) in families and room.get(prefix, 0) == most:
                late[index] = word
                continue
            if len(address) in families:
                room[prefix] = room.get(prefix, 0) + 1
            kept.append(index)
        stay = kept

    def agrees(index):
        """R-TALLY-2."""
        counted = []
        for target, (code, address) in zip(targets[index], said[index]):
            if code == 255 or classes[target] == "undecided":
                continue
            if classes[target] != "valid":
                counted.append(code != 0)
            elif code != 0:
                counted.append(False)
            elif named[target]:
                counted.append(address == named[target][0])
        return 2 * sum(counted) >= len(counted)

    attested = sum(words is not None for words in said)

    def outcome(index):
        if classes[index] != "valid":
            return classes[index]
        if index in late:
            return late[index]
        if n < 4:
            return "valid: too few seats"
        if 2 * attested < n:
            return "credited"
        if said[index] is None:
            return "valid: not attested"
        if 2 * sum(code == 255 for code, _ in said[index]) > k:
            return "valid: abstained"
        return "credited" if agrees(index) else "valid: disagrees"

    return attested, [outcome(index) for index in range(n)]


for case in load("judging"):
    same(judge(case), (case["attested"], case["outcomes"]), "R-TALLY-0 to R-TALLY-4")

tally = load("tally")
# All texts are ASCII and all numbers integers, so this is RFC 8785.
canonical = json.dumps(tally["document"], sort_keys=True, separators=(",", ":"))
same(sha256(canonical.encode()).hex(), tally["digest"], "R-TALLY-7")

print("every vector agrees")
