"""Recomputes the golden vectors from SPEC.md with nothing but Python's standard library.

A second reading of the rules that shares no code with the first: run it as `python3 protocol/vectors/check.py`. Not
done here: BLS, wallets' signatures, and the decryption of notes, which need more than the library has.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import struct
from fractions import Fraction

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
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
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


class Ed25519:
    """RFC 8032 over plain integers, verified as R-SIG-2 says; no constant time, for vectors only."""

    p = 2**255 - 19
    order = 2**252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, -1, p) % p

    @classmethod
    def add(cls, a, b):
        (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
        e, f = (y1 - x1) * (y2 - x2) % cls.p, (y1 + x1) * (y2 + x2) % cls.p
        g, i = 2 * t1 * t2 * cls.d % cls.p, 2 * z1 * z2 % cls.p
        e, f, g, i = f - e, i - g, i + g, f + e
        return e * f % cls.p, g * i % cls.p, f * g % cls.p, e * i % cls.p

    @classmethod
    def multiply(cls, n, point):
        total = (0, 1, 1, 0)
        while n > 0:
            if n & 1:
                total = cls.add(total, point)
            point, n = cls.add(point, point), n >> 1
        return total

    @classmethod
    def multiply_base(cls, n):
        """From a table of the base point's doubles."""
        total = (0, 1, 1, 0)
        for i, double in enumerate(cls.doubles):
            if n >> i & 1:
                total = cls.add(total, double)
        return total

    @classmethod
    def encode(cls, point):
        x, y, z, _ = point
        inverse = pow(z, -1, cls.p)
        return ((y * inverse % cls.p) | (x * inverse % cls.p & 1) << 255).to_bytes(32, "little")

    @classmethod
    def decode(cls, data):
        number = int.from_bytes(data, "little")
        y, sign = number & 2**255 - 1, number >> 255
        square = (y * y - 1) * pow(cls.d * y * y + 1, -1, cls.p) % cls.p
        x = pow(square, (cls.p + 3) // 8, cls.p)
        if x * x % cls.p != square:
            x = x * pow(2, (cls.p - 1) // 4, cls.p) % cls.p
        if y >= cls.p or x * x % cls.p != square or x == 0 and sign:
            return None
        x = x if x & 1 == sign else cls.p - x
        return x, y, 1, x * y % cls.p

    @classmethod
    def sign(cls, seed, message):
        digest = hashlib.sha512(seed).digest()
        secret = int.from_bytes(digest[:32], "little") & 2**254 - 8 | 2**254
        key = cls.encode(cls.multiply_base(secret))
        r = int.from_bytes(hashlib.sha512(digest[32:] + message).digest(), "little") % cls.order
        point = cls.encode(cls.multiply_base(r))
        k = int.from_bytes(hashlib.sha512(point + key + message).digest(), "little")
        return point + ((r + k * secret) % cls.order).to_bytes(32, "little")

    @classmethod
    def verify(cls, key, message, signature):
        a, s = cls.decode(key), int.from_bytes(signature[32:], "little")
        identity = (1).to_bytes(32, "little")
        is_key = a is not None and key != identity and cls.encode(cls.multiply(cls.order, a)) == identity
        if not is_key or s >= cls.order or signature[:32] == identity:
            return False
        k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % cls.order
        x, y, z, t = cls.multiply(k, a)
        return cls.encode(cls.add(cls.multiply_base(s), (-x % cls.p, y, z, -t % cls.p))) == signature[:32]


Ed25519.doubles = [Ed25519.decode(bytes.fromhex("58" + 31 * "66"))]
for _ in range(255):
    Ed25519.doubles.append(Ed25519.add(Ed25519.doubles[-1], Ed25519.doubles[-1]))


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


def params_hash(params):
    """R-NET-2, for a fixed fund."""
    names = (
        "committee", "samples", "responseMs", "retries", "attestBlocks", "minAvailability", "maxPerPrefix",
        "evidenceWeeks", "certifiers", "viewBlocks", "anchorBlocks",
    )
    fund = ["fixed", int(params["fund"]["amount"])]
    numbers = [params[name] for name in names]
    return h(
        "params", *numbers, int(params["anchorBond"]), fund, int(params["feeReserve"]), params["payoutConfirmations"],
        params["ruleset"],
    )


same(params_hash(params).hex(), network["paramsHash"], "R-NET-2")

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
for name in ("question", "other"):
    question = challenge[name]
    asked = [network_id, challenge["epoch"], beacon, terms[0], terms[2], unhex(question["nonce"])]
    payload, signature = encode([*asked, unhex(question["instance"])]), unhex(question["signature"])
    same(payload.hex(), question["payload"], f"R-CHAL-1 {name}")
    same(encode(["challenge", payload, signature]).hex(), question["request"], f"R-MSG-1 {name}")
same(encode(["refused", "second-nonce", payload, signature]).hex(), challenge["refusal"], "R-MSG-1 refusal")
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

probe = challenge["probe"]
host, nonce = probe["host"], unhex(probe["nonce"])
exporter, instance = unhex(probe["exporter"]), unhex(probe["instance"])
statement = encode([host, nonce, exporter, instance, probe["ruleset"], probe["signs"]])
same(signed_bytes("probe", statement).hex(), probe["signedBytes"], "R-PROBE-1")
asked = encode(["dial-back", host, 9000, 443, terms[0], terms[1], nonce])
same(asked.hex(), probe["dialBack"], "R-DIAL-1 question")
proof = [exporter, instance, probe["ruleset"], probe["signs"], unhex(probe["signature"])]
address = bytes([198, 51, 100, terms[0]])
same(encode(["dialled", address, 1_795_000_000, [0, ""], [0, ""], proof]).hex(), probe["dialled"], "R-DIAL-1 answer")

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
        key, signature = unhex(load("announcements")[row["seat"]]["peerKey"]), unhex(row["signed"]["signature"])
        same(Ed25519.verify(key, signed_bytes("att", payload), signature), True, "R-SIG-2")
        same(Ed25519.verify(key, signed_bytes("probe", payload), signature), False, "R-SIG-1 kinds")
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
payload_of_checkpoint = payload
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
for absence in checkpoint["absences"]:
    (epoch,) = [one for one in load("attestations") if one["epoch"] == absence["epoch"]]
    leaves, root = leaves_by_epoch[epoch["epoch"]], checkpoint["epochs"][-1]["root"]
    places, seats = [-1, len(leaves)], [-1, 2**32]
    for side, leaf in enumerate([absence["before"], absence["after"]]):
        if leaf is None:
            continue
        (row,) = [row for row in epoch["attestations"] if row["signed"]["payload"] == leaf["attestation"]]
        same(unhex(row["leaf"]).hex(), leaves[leaf["index"]].hex(), "R-CP-7 leaf beside")
        path = [unhex(step) for step in leaf["path"]]
        same(climb(leaves, leaf["index"], path).hex(), root, "R-CP-7 path beside")
        places[side], seats[side] = leaf["index"], row["seat"]
    same(places[0] + 1, places[1], "R-CP-7 neighbours")
    same(seats[0] < absence["seat"] < seats[1], True, "R-CP-7 seat between")

possession = load("possession")
payload = unhex(possession["claims"][0]["bls"] + possession["claims"][0]["stake"])
for kind, name in (("pop", "signedBytes"), ("vote", "voteBytes")):
    same(signed_bytes(kind, payload).hex(), possession[name], f"R-SIG-1 {kind}")

lists = load("lists")


def commitment(seniors):
    """R-CP-1: what a checkpoint says of the list that its week hands on."""
    root = merkle_root([encode([row["seat"], unhex(row["bls"])]) for row in seniors])
    return {"count": len(seniors), "root": root.hex()}


last = None
for number, row in enumerate(lists["weeks"]):
    # R-CP-2: `last` is the last week that an anchor of its own checkpoint fixed, with what it hands on.
    own = row["seniors"]
    of_week = own if last is None or number - last[0] - 1 >= 2 else last[1]
    has_views = len(of_week) >= lists["minSeniors"]
    same([senior["seat"] for senior in of_week] if has_views else None, row["list"], f"R-CP-2 {row['week']}")
    if has_views:
        same(commitment(of_week)["root"], row["listRoot"], f"R-CP-2 {row['week']}")
    handed_on = own if len(own) >= lists["minSeniors"] else of_week
    same(commitment(handed_on), row["handsOn"], f"R-CP-1 list of {row['week']}")
    same(None if last is None else last[2], row["previous"], f"R-CP-1 previous of {row['week']}")
    if row["anchored"] is not None:
        last = (number, handed_on, row["anchored"])

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



def document_of(case):
    """R-TALLY-5 to R-TALLY-7: the document of the week of attestations.json, all of it recomputed."""
    rows = {seat["seat"]: seat for seat in load("registry")["seats"]}
    equivocators, seats, epochs = load("tally")["equivocators"], {}, []
    week_epochs = list(zip(load("attestations"), load("registry")["snapshots"]))
    for number, (epoch, snapshot) in enumerate(week_epochs):
        by_seat = {row["seat"]: row for row in epoch["attestations"]}
        attestations = []
        for row in snapshot["rows"]:
            said = None if row["seat"] in equivocators else by_seat.get(row["seat"])
            attestations.append(said and {**said, "addresses": " ".join(said["addresses"])})
        beacon = beacons[epoch["epoch"]].hex()
        attested, outcomes = judge({**params, "beacon": beacon, "attestations": attestations})
        epochs.append({
            "epoch": epoch["epoch"], "beacon": beacon, "seats": len(snapshot["rows"]), "attested": attested,
        })
        for row, outcome in zip(snapshot["rows"], outcomes):
            seat = seats.setdefault(row["seat"], {"outcomes": [None] * len(week_epochs)})
            seat["outcomes"][number], seat["host"] = outcome, row["host"]
    for number, seat in seats.items():
        is_equivocator = number in equivocators
        credits = seat["outcomes"].count("credited")
        seat.update(
            seat=number, stake=announcements[number]["stakeAddress"], equivocator=is_equivocator,
            epochs=sum(outcome is not None for outcome in seat["outcomes"]), score=0 if is_equivocator else credits,
        )
        same(rows[number]["stake"], announcements[number]["stake"], "R-REG-3")
    scored = [seat for seat in seats.values() if seat["score"] > 0]
    scored.sort(key=lambda seat: Fraction(seat["score"], seat["epochs"]))
    median = scored[(len(scored) - 1) // 2] if scored else None
    paid = [
        seat for seat in scored
        if 100 * seat["score"] * median["epochs"] >= params["minAvailability"] * median["score"] * seat["epochs"]
    ]
    fund = max(0, int(case["fund"]) - int(params["feeReserve"]))
    total = sum(seat["score"] for seat in paid)
    amounts = {seat["seat"]: fund * seat["score"] // total for seat in paid}
    for number, seat in seats.items():
        seat["amount"] = str(amounts.get(number, 0))
    return {
        "network": network_id, "week": week, "ruleset": 1, "state": "anchored", "params": network["paramsHash"],
        "checkpoint": case["document"]["checkpoint"], "anchor": case["document"]["anchor"], "epochs": epochs,
        "totals": {
            "fund": str(fund), "paid": str(sum(amounts.values())), "undistributed": str(fund - sum(amounts.values())),
            "seats": len(seats), "paidSeats": sum(amount > 0 for amount in amounts.values()),
            "score": sum(seat["score"] for seat in seats.values()),
        },
        "seats": [seats[number] for number in sorted(seats)],
    }


for case in [load("tally"), *load("funds")]:
    document = document_of(case)
    same(document, case["document"], "R-TALLY-5 to R-TALLY-7")
    # All texts are ASCII and all numbers integers, so this is RFC 8785.
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    same(sha256(canonical.encode()).hex(), case["digest"], "R-TALLY-7 digest")

revival = load("revival")
registry, coins = {}, {}
min_stake, announce_blocks = int(genesis["minStake"]), genesis["announceBlocks"]
taken = []


def announce(transaction, height):
    """R-REG-1 to R-REG-3, without the signatures; returns the seat, or None if nothing changes."""
    fields = dict(field.split("=", 1) for field in transaction["memo"].split(" ")[1:])
    # Two bytes of prefix, hash160, four of checksum.
    digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for character in fields["stake"]:
        number = 58 * number + digits.index(character)
    checked = number.to_bytes(26, "big")
    same(sha256(sha256(checked[:22]))[:4], checked[22:], "R-REG-1 stake")
    stake, at = checked[2:22].hex(), int(fields["at"])
    before = registry.get(stake)
    is_shown = any(p["payee"] == stake and int(p["value"]) >= min_stake for p in transaction["payments"])
    if not is_shown or not 0 <= height - at <= announce_blocks or before and at <= before["at"]:
        return None
    seat = registry.setdefault(stake, {"seat": len(registry), "stake": stake, "activeSince": None, "keySince": None})
    seat.update(host=fields["host"], bls=base64.b64decode(fields["bls"]).hex(), at=at)
    return seat


for height, block in enumerate(revival["blocks"], genesis["activationHeight"]):
    same(height, block["height"], "R-REG-3 height")
    keys = {stake: seat["bls"] for stake, seat in registry.items()}
    announced = set()
    for transaction in block["transactions"]:
        for outpoint in transaction["spends"]:
            coins.pop(outpoint, None)
        seat = announce(transaction, block["height"]) if transaction["memo"] else None
        if seat:
            announced.add(seat["stake"])
            coins = {outpoint: coin for outpoint, coin in coins.items() if coin[0] != seat["stake"]}
        for payment in transaction["payments"]:
            if payment["payee"] in registry:
                coins[payment["outpoint"]] = (payment["payee"], int(payment["value"]))
    for stake, seat in registry.items():
        if keys.get(stake) != seat["bls"]:
            seat["keySince"] = block["height"]
        if sum(value for payee, value in coins.values() if payee == stake) < min_stake:
            seat["activeSince"] = None
        elif seat["activeSince"] is None and stake in announced:
            seat["activeSince"] = block["height"]
    active = [seat["seat"] for seat in registry.values() if seat["activeSince"] is not None]
    same(active, block["active"], f"R-REG-5 after block {block['height']}")
    for snapshot in revival["snapshots"]:
        start = genesis["activationHeight"] + (snapshot["epoch"] - 1) * genesis["epochBlocks"]
        if block["height"] == start:
            since = start - genesis["epochBlocks"]
            seats = [s for s in registry.values() if s["activeSince"] is not None and s["activeSince"] <= since]
            rows = [{"seat": seat["seat"], "bls": seat["bls"]} for seat in seats]
            same(rows, snapshot["rows"], f"R-EPOCH-5 snapshot {snapshot['epoch']}")
            taken.append(snapshot["epoch"])
same(list(registry.values()), revival["seats"], "R-REG-3 R-CP-2 seats")
same(taken, [snapshot["epoch"] for snapshot in revival["snapshots"]], "R-EPOCH-5 snapshots")

full = load("full")
same(beacons[full["epoch"]].hex(), full["beacon"], "R-EPOCH-4 full")


def secret(label):
    return sha256(f"secnode vectors {label}".encode())


def attest(seat, verdict):
    """R-ATT-1: one attestation of full.json, signed."""
    addresses = [bytes([198, 51, seat >> 8, seat + i & 255]) for i in range(full["targets"])] if verdict == 0 else []
    payload = encode([
        "att", 1, network_id, full["epoch"], beacons[full["epoch"]], seat, secret(f"full stake {seat}")[:20], None,
        bytes([verdict] * full["targets"]), addresses, Cid(sha256(secret(f"full evidence {seat}"))),
    ])
    return payload, Ed25519.sign(secret(f"full node {seat}"), signed_bytes("att", payload))


def described(data):
    return {"length": len(data), "cid": str(Cid(sha256(data)))}


proofs = []
for seat in range(full["equivocators"]):
    pair = sorted([attest(seat, 0), attest(seat, 255)], key=lambda signed: sha256(signed[0]))
    proofs.append(encode(["equivocation", 1, *pair]))
same(proofs[0].hex(), full["firstProof"], "R-ATT-3")
pages = [encode(["proofs", 1, network_id, full["week"], part]) for part in (proofs[:128], proofs[128:])]
same([described(page) for page in pages], full["pages"], "R-CP-1 full page")
rows = [attest(full["equivocators"] + i, 0) for i in range(full["honest"])]
blocks = [encode(["attestations", 1, full["epoch"], part]) for part in (rows[:512], rows[512:])]
same([described(block) for block in blocks], full["blocks"], "R-CP-8 full block")
leaves = [encode([full["equivocators"] + i, Cid(sha256(row[0]))]) for i, row in enumerate(rows)]
same([leaves[0].hex(), merkle_root(leaves).hex()], [full["firstLeaf"], full["root"]], "R-SYNC-1 root of 513")


def section(data):
    """R-CP-8: length, CID and bytes."""
    length, rest = b"", 36 + len(data)
    while rest >= 128:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return length + bytes([rest]) + Cid.head + sha256(data) + data


bundle = load("bundle")
car = unhex("3aa265726f6f747381") + encode(cid) + unhex("6776657273696f6e01") + section(payload_of_checkpoint)
car += section(unhex(checkpoint["proofPages"][0]["bytes"]))
for epoch in reversed(load("attestations")):
    rows = [row for row in epoch["attestations"] if row["seat"] not in checkpoint["equivocators"]]
    signed = [[unhex(row["signed"]["payload"]), unhex(row["signed"]["signature"])] for row in rows]
    car += section(encode(["attestations", 1, epoch["epoch"], signed]))
same(car.hex(), bundle["bare"], "R-CP-8 bundle")


def sections(car):
    """The CIDs and bytes of a bundle's blocks."""
    at, blocks = 59, []
    while at < len(car):
        length = shift = 0
        while True:
            length, shift, at = length | (car[at] & 127) << shift, shift + 7, at + 1
            if car[at - 1] < 128:
                break
        blocks.append((car[at + 4 : at + 36], car[at + 36 : at + length]))
        same([car[at : at + 4], sha256(blocks[-1][1])], [Cid.head, blocks[-1][0]], "R-CP-8 id of a block")
        at += length
    return blocks


whole = sections(unhex(bundle["withEvidence"]))
named = [
    Cid.parse(row["evidence"]).digest
    for epoch in reversed(load("attestations"))
    for row in epoch["attestations"] if row["seat"] not in checkpoint["equivocators"]
]
same([digest for digest, data in whole if b"hevidence" in data[:10]], named, "R-CP-8 evidence")
same([block for block in whole if b"hevidence" not in block[1][:10]], sections(car), "R-CP-8 with evidence")


class Reader:
    """Bytes of a block or transaction, from the first to the last."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        same(self.at <= len(self.data), True, "R-CHAIN-1 length")
        return self.data[self.at - n : self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "little")

    def size(self):
        first = self.number(1)
        return first if first < 253 else self.number({253: 2, 254: 4, 255: 8}[first])

    def vector(self, read):
        return [read() for _ in range(self.size())]


def blake2b(person, *parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32, person=person).digest()


def digest_of_notes(names, notes, tail):
    """ZIP 244, T.3b and T.4: what is before, in and after the memo of each ciphertext; nothing, of no notes."""
    compact, memos, rest, whole = names
    if not notes:
        return blake2b(whole)
    parts = [
        blake2b(compact, *(note["compact"] + note["cipher"][:52] for note in notes)),
        blake2b(memos, *(note["cipher"][52:564] for note in notes)),
        blake2b(rest, *(note["rest"] + note["cipher"][564:] + note["out"] for note in notes)),
    ]
    return blake2b(whole, *parts, tail)


def read_action(reader):
    cv, nullifier, rk, cmx, epk = (reader.take(32) for _ in range(5))
    return {
        "compact": nullifier + cmx + epk, "rest": cv + rk, "cipher": reader.take(580), "out": reader.take(80),
    }


def read_bundle(reader):
    """ZIP 225, an Orchard bundle: its notes, and what of the rest a txid covers, with the anchor and without."""
    actions = reader.vector(lambda: read_action(reader))
    if not actions:
        return actions, b"", b""
    fields, anchor = reader.take(9), reader.take(32)
    reader.take(reader.size())
    reader.take(64 * len(actions) + 64)
    return actions, fields + anchor, fields


def read_transaction(reader):
    """ZIP 225, ZIP 229, or ZEN's versions 1 and -3: txid and transparent outputs."""
    start, header = reader.at, reader.number(4)

    def read_inputs():
        return reader.vector(lambda: (reader.take(36), reader.take(reader.size()), reader.take(4)))

    def read_outputs():
        return reader.vector(lambda: (reader.number(8), reader.take(reader.size())))

    if not header >> 31 or header == 2**32 - 3:
        read_inputs()
        outputs, _ = read_outputs(), reader.take(4)
        if header == 2**32 - 3:
            joinsplits = reader.vector(lambda: reader.take(1_698))
            reader.take(96 if joinsplits else 0)
        return {"txid": sha256(sha256(reader.data[start : reader.at])), "outputs": outputs}
    version, group, branch = header & 2**31 - 1, reader.take(4), reader.take(4)
    lock_and_expiry = reader.take(8)
    inputs, outputs = read_inputs(), read_outputs()
    same(reader.size(), 0, "no Sapling spends here")

    def read_sapling():
        cv, cmu, epk = (reader.take(32) for _ in range(3))
        return {"compact": cmu + epk, "rest": cv, "cipher": reader.take(580), "out": reader.take(80)}

    sapling = reader.vector(read_sapling)
    balance = reader.take(8 if sapling else 0)
    reader.take(192 * len(sapling) + (64 if sapling else 0))
    orchard, with_anchor, without = read_bundle(reader)
    names = (b"ZTxIdOrcActCHash", b"ZTxIdOrcActMHash", b"ZTxIdOrcActNHash", b"ZTxIdOrchardHash")
    if version == 5:
        bundles = [digest_of_notes(names, orchard, with_anchor)]
    else:
        ironwood, _, tail = read_bundle(reader)
        new_names = (b"ZTxIdIrnActCH_v6", b"ZTxIdIrnActMH_v6", b"ZTxIdIrnActNH_v6", b"ZTxIdIronwd_H_v6")
        bundles = [
            digest_of_notes((*names[:3], b"ZTxIdOrchardH_v6"), orchard, without),
            digest_of_notes(new_names, ironwood, tail),
        ]
    scripts = (
        amount.to_bytes(8, "little") + bytes([len(script)]) + script for amount, script in outputs
    )
    transparent = [
        blake2b(b"ZTxIdPrevoutHash", *(outpoint for outpoint, _, _ in inputs)),
        blake2b(b"ZTxIdSequencHash", *(sequence for _, _, sequence in inputs)),
        blake2b(b"ZTxIdOutputsHash", *scripts),
    ]
    sapling_names = (b"ZTxIdSOutC__Hash", b"ZTxIdSOutM__Hash", b"ZTxIdSOutN__Hash", b"ZTxIdSOutputHash")
    notes = [blake2b(b"ZTxIdSSpendsHash"), digest_of_notes(sapling_names, sapling, b""), balance] if sapling else []
    txid = blake2b(
        b"ZcashTxHash_" + branch,
        blake2b(b"ZTxIdHeadersHash", struct.pack("<I", header) + group + branch + lock_and_expiry),
        blake2b(b"ZTxIdTranspaHash", *transparent),
        blake2b(b"ZTxIdSaplingHash", *notes),
        *bundles,
    )
    return {"txid": txid, "outputs": outputs}


def block_root(hashes):
    """The merkle tree of a block: an odd level repeats its last node."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], [*hashes[1::2], *([hashes[-1]] if len(hashes) % 2 else [])])
        hashes = [sha256(sha256(left + right)) for left, right in pairs]
    return hashes[0]


def stake_of(script, chain):
    """R-REG-5: the hash160 of P2PKH, on ZEN with or without a reference."""
    if script[:3] != unhex("76a914") or script[23:25] != unhex("88ac"):
        return None
    reference = script[25:]
    height = reference[33:-1]
    is_height = height[:1] == b"\x00" or 0x51 <= height[0] <= 0x60 if len(height) == 1 else (
        1 < len(height) == height[0] + 1 <= 5 and height[-1] < 128
        and (height[-1] > 0 or len(height) > 2 and height[-2] >= 128)
    )
    if reference and not (chain.startswith("zen-") and reference[0] == 32 and reference[-1] == 0xB4 and is_height):
        return None
    return script[3:23].hex()


for case in load("blocks"):
    profile = case["genesis"]
    names = ("activationHeight", "announceAddress", "viewingKey")
    numbers = ("minSeniors", "epochBlocks", "confirmations", "announceBlocks")
    values = [*(profile[name] for name in names), int(profile["minStake"]), *(profile[name] for name in numbers)]
    same(h("network", profile["chain"], *values).hex()[:32], case["networkId"], "R-NET-1")
    reader = Reader(unhex(case["block"]))
    reader.take(140)
    reader.take(reader.size())
    header = reader.data[: reader.at]
    same(sha256(sha256(header)).hex(), case["hash"], "R-CHAIN-1 hash")
    same([header[4:36].hex(), header[36:68].hex()], [case["previousHash"], case["merkleRoot"]], "R-CHAIN-1 header")
    same(int.from_bytes(header[100:104], "little"), case["time"], "R-CHAIN-3 time")
    transactions = reader.vector(lambda: read_transaction(reader))
    same(reader.at, len(reader.data), "R-CHAIN-1 end")
    txids = [transaction["txid"] for transaction in transactions]
    same([txid.hex() for txid in txids], [row["txid"] for row in case["transactions"]], "R-CHAIN-1 txids")
    same(block_root(txids).hex(), case["merkleRoot"], "R-CHAIN-1 merkle root")
    announcement = case["announcement"]
    shown = [
        {stake_of(script, profile["chain"]) for value, script in row["outputs"] if value >= int(profile["minStake"])}
        for row in transactions[1:]
    ]
    same(shown, [{announcement["stake"]}, set()], "R-CHAIN-4 candidates")
    memos = [note["memo"] for note in case["transactions"][announcement["transaction"]]["notes"]]
    same(next(memo for memo in memos if memo.startswith("secnode:1 ")), announcement["memo"], "R-CHAIN-4 first text")

weeks = load("weeks")
spacing, activation, length = weeks["spacing"], genesis["activationHeight"], genesis["epochBlocks"]


def start_of(epoch):
    """R-EPOCH-1."""
    return activation + epoch * length


def week_of(epoch):
    """R-EPOCH-2: blocks come evenly here, so the median of eleven times is the sixth, five blocks before."""
    time = weeks["timeOfActivation"] + spacing * (start_of(epoch) - 5 - activation)
    year, number, _ = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).isocalendar()
    return f"{year}-W{number:02}"


def block_hash(height):
    return secret(f"block {height}")


def seats_after(height):
    """All seats, and whether each is active: nobody but one ever leaves."""
    left = weeks["left"]
    return [(seat, seat != left["seat"] or height < left["height"]) for seat in range(weeks["seats"])]


def snapshot_of(epoch):
    return [] if epoch < 2 else [seat for seat, is_active in seats_after(start_of(epoch - 1)) if is_active]


def row_of(name):
    return next(row for row in reversed(weeks["schedule"]) if row["from"] <= name or row is weeks["schedule"][0])


def own_list(first, last, previous_first):
    """R-CP-2: L(w)."""
    full = next(epoch for epoch in range(100) if len(snapshot_of(epoch)) >= genesis["minSeniors"])
    if full > last:
        return []
    since = max(start_of(first if previous_first is None else previous_first), start_of(full - 1))
    same(since >= activation, True, "R-CP-2 s")
    return [seat for seat, is_active in seats_after(start_of(last + 1) - 1) if is_active]


registry_seats = load("registry")["seats"]


def registry_root(height):
    """R-CP-1."""
    leaves = []
    for seat, is_active in seats_after(height):
        owner = announcements[seat]
        leaves.append(encode([
            seat, unhex(owner["stake"]), unhex(owner["peerKey"]), owner["host"], 9000, 443, unhex(owner["bls"]),
            registry_seats[seat]["at"], activation if is_active else None,
        ]))
    return merkle_root(leaves)


def list_root_of(seats):
    return merkle_root([encode([seat, unhex(announcements[seat]["bls"])]) for seat in seats])


for row in weeks["schedule"]:
    same(params_hash(row["params"]).hex(), row["paramsHash"], "R-NET-2 schedule")
spans, unfixed, anchored = {}, [], None
for epoch in range(10):
    spans.setdefault(week_of(epoch), []).append(epoch)
names = list(spans)
for number, case in enumerate(weeks["weeks"]):
    name = case["week"]
    first, last = spans[name][0], spans[name][-1]
    same([name, first, last], [names[number], case["first"], case["last"]], "R-EPOCH-2")
    freeze = start_of(last + 2)
    same(freeze, case["freezeHeight"], "R-CP-1 F")
    listed = [*unfixed, name]
    same(listed, case["listed"], "R-CP-1 weeks listed")
    own = own_list(first, last, spans[names[number - 1]][0] if number else None)
    drawn_from = own
    if anchored and number - anchored["number"] <= 2:
        drawn_from = anchored["handsOn"]
    hands_on = own if len(own) >= genesis["minSeniors"] else drawn_from
    rows = []
    for listed_name in listed:
        epochs = []
        for epoch in spans[listed_name]:
            seats = snapshot_of(epoch)
            snapshot_rows = [
                encode([seat, unhex(announcements[seat]["stake"]), unhex(announcements[seat]["peerKey"]),
                        announcements[seat]["host"]])
                for seat in seats
            ]
            absent = weeks["equivocator"]["seat"] if listed_name == weeks["equivocator"]["week"] else None
            leaves = [
                encode([seat, Cid(sha256(secret(f"weeks attestation {epoch} {seat}")))])
                for seat in seats if seat != absent and (epoch != 3 or seat > 1)
            ]
            beacon = h("beacon", network_id, epoch, block_hash(start_of(epoch)))
            epochs.append([
                epoch, beacon, len(seats), merkle_root(snapshot_rows), len(leaves), merkle_root(leaves),
            ])
        row = row_of(listed_name)
        pages = [Cid(sha256(secret("weeks page")))] if listed_name == weeks["equivocator"]["week"] else []
        rows.append([listed_name, unhex(row["paramsHash"]), int(row["params"]["fund"]["amount"]), epochs, pages])
    same({"count": len(hands_on), "root": list_root_of(hands_on).hex()}, case["handsOn"], "R-CP-2 handed on")
    payload = encode([
        "checkpoint", 2, network_id, name, block_hash(freeze), anchored and anchored["anchor"],
        registry_root(freeze), [len(hands_on), list_root_of(hands_on)], rows,
    ])
    same(payload.hex(), case["payload"], "R-CP-1 payload of several weeks")
    same(str(Cid(sha256(payload))), case["checkpoint"], "R-CP-1 id")
    named = case["previous"] and [case["previous"]["checkpoint"], case["previous"]["height"]]
    same(anchored and [str(anchored["anchor"][0]), anchored["anchor"][1]], named, "R-CP-1 previous")
    beacon = h("beacon", network_id, last + 2, block_hash(freeze))
    order = shuffle(h("certifiers", beacon, 0), len(drawn_from)) if len(drawn_from) >= genesis["minSeniors"] else []
    same([drawn_from[i] for i in order[: row_of(name)["params"]["certifiers"]]], case["certifiers"], "R-CP-2 list")
    unfixed.append(name)
    if case["anchor"]:
        memo = case["anchor"]["memo"]
        same(memo.split(" ")[1:5], [
            "anchor", f"week={name}", "view=0", f"checkpoint={case['checkpoint']}",
        ], "R-CP-5 memo")
        opens = freeze + genesis["confirmations"]
        same(opens <= case["anchor"]["height"] <= freeze + row["params"]["anchorBlocks"], True, "R-CP-5 window")
        fixed, unfixed = unfixed, []
        place = [Cid(sha256(payload)), case["anchor"]["height"], block_hash(case["anchor"]["height"])]
        anchored = {"number": number, "anchor": place, "handsOn": hands_on}
        same([state["week"] for state in weeks["states"] if state["fixedBy"] == name], fixed, "R-CP-6")

print("every vector agrees")
