//! Reads a payment as JSON from standard input and prints the signed transaction in hex.
//!
//! Coins are P2PKH outputs of one key; what is paid may be transparent, Sapling, or Orchard, whose notes go to the
//! Ironwood pool from NU6.3 on. Nothing shielded is spent, so no note commitment tree is needed: anchors are those of
//! the empty tree. Proofs and signatures are librustzcash's, so this is what a wallet sends.

use std::{error::Error, io::Read};

use orchard::keys::OutgoingViewingKey as OrchardOvk;
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use secp256k1::{PublicKey, SecretKey};
use serde::Deserialize;
use zcash_primitives::transaction::{
    builder::{BuildConfig, Builder, BundlePadding},
    fees::fixed::FeeRule,
};
use zcash_proofs::prover::LocalTxProver;
use zcash_protocol::{
    consensus::{BlockHeight, NetworkUpgrade, Parameters},
    local_consensus::LocalNetwork,
    memo::MemoBytes,
    value::Zatoshis,
};
use zcash_transparent::{
    address::TransparentAddress,
    builder::TransparentSigningSet,
    bundle::{OutPoint, TxOut},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Payment {
    /// Of the block that is to hold the transaction.
    height: u32,
    /// Heights of NU5 and later; all before NU5 hold from block 1 on.
    activations: Activations,
    /// 32 bytes in hex.
    secret_key: String,
    coins: Vec<Coin>,
    outputs: Vec<Output>,
    /// In base units; the coins must be worth exactly the outputs and this.
    fee: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Activations {
    nu5: u32,
    nu6: Option<u32>,
    nu6_1: Option<u32>,
    nu6_2: Option<u32>,
    nu6_3: Option<u32>,
    nu7: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coin {
    /// In hex, internal byte order.
    txid: String,
    index: u32,
    value: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    /// `p2pkh` (20 bytes), `sapling` or `orchard` (43 bytes: diversifier and key).
    kind: String,
    /// In hex.
    receiver: String,
    value: u64,
    /// Up to 512 bytes in hex.
    memo: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    println!("{}", hex::encode(build(serde_json::from_str(&text)?)?));
    Ok(())
}

fn build(payment: Payment) -> Result<Vec<u8>, Box<dyn Error>> {
    let network = network_of(&payment.activations);
    let height = BlockHeight::from_u32(payment.height);
    let is_active = |upgrade| network.is_nu_active(upgrade, height);
    let has_ironwood = is_active(NetworkUpgrade::Nu6_3);
    let pays = |kind: &str| payment.outputs.iter().any(|output| output.kind == kind);
    let empty = orchard::Anchor::empty_tree();
    let mut builder = Builder::new(
        network,
        height,
        BuildConfig::Standard {
            sapling_anchor: pays("sapling").then(sapling_crypto::Anchor::empty_tree),
            orchard_anchor: (pays("orchard") && !has_ironwood).then_some(empty),
            ironwood_anchor: (pays("orchard") && has_ironwood).then_some(empty),
            orchard_padding: BundlePadding::DEFAULT,
            ironwood_padding: BundlePadding::DEFAULT,
        },
    );

    let mut keys = TransparentSigningSet::new();
    let secret: [u8; 32] = bytes(&payment.secret_key)?;
    let public: PublicKey = keys.add_key(SecretKey::from_secret_bytes(secret)?);
    let own = TransparentAddress::from_pubkey(&public);
    for coin in &payment.coins {
        let outpoint = OutPoint::new(bytes(&coin.txid)?, coin.index);
        let spent = TxOut::new(Zatoshis::from_u64(coin.value)?, own.script().into());
        builder
            .add_transparent_p2pkh_input(public, outpoint, spent)
            .map_err(|error| error.to_string())?;
    }

    for output in &payment.outputs {
        let value = Zatoshis::from_u64(output.value)?;
        let memo = match &output.memo {
            Some(text) => MemoBytes::from_bytes(&hex::decode(text)?)?,
            None => MemoBytes::empty(),
        };
        match output.kind.as_str() {
            "p2pkh" => {
                let to = TransparentAddress::PublicKeyHash(bytes(&output.receiver)?);
                builder
                    .add_transparent_output(&to, value)
                    .map_err(|error| error.to_string())?;
            }
            "sapling" => {
                let to = sapling_crypto::PaymentAddress::from_bytes(&bytes(&output.receiver)?)
                    .ok_or("not a Sapling receiver")?;
                builder
                    .add_sapling_output::<String>(None, to, value, memo)
                    .map_err(|error| error.to_string())?;
            }
            "orchard" => {
                let raw: [u8; 43] = bytes(&output.receiver)?;
                let to = Option::from(orchard::Address::from_raw_address_bytes(&raw))
                    .ok_or("not an Orchard receiver")?;
                let ovk: Option<OrchardOvk> = None;
                if has_ironwood {
                    builder.add_ironwood_output::<String>(ovk, to, value, memo)
                } else {
                    builder.add_orchard_output::<String>(ovk, to, value, memo)
                }
                .map_err(|error| error.to_string())?;
            }
            other => return Err(format!("no such kind of output: {other}").into()),
        }
    }

    let prover = LocalTxProver::bundled();
    let fee = FeeRule::non_standard(Zatoshis::from_u64(payment.fee)?);
    let built = builder
        .build(&keys, &[], &[], UnwrapErr(SysRng), &prover, &prover, &fee)
        .map_err(|error| error.to_string())?;
    let mut serialized = Vec::new();
    built.transaction().write(&mut serialized)?;
    Ok(serialized)
}

fn network_of(activations: &Activations) -> LocalNetwork {
    let first = Some(BlockHeight::from_u32(1));
    let at = |height: Option<u32>| height.map(BlockHeight::from_u32);
    LocalNetwork {
        overwinter: first,
        sapling: first,
        blossom: first,
        heartwood: first,
        canopy: first,
        nu5: at(Some(activations.nu5)),
        nu6: at(activations.nu6),
        nu6_1: at(activations.nu6_1),
        nu6_2: at(activations.nu6_2),
        nu6_3: at(activations.nu6_3),
        nu7: at(activations.nu7),
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Box<dyn Error>> {
    let decoded = hex::decode(text)?;
    decoded
        .try_into()
        .map_err(|wrong: Vec<u8>| format!("{} bytes instead of {N}", wrong.len()).into())
}
