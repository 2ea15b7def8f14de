/// What hides the words that the slab writes into memory that a caller may read: the links of free objects,
/// and in checked mode the notes of sizes.
///
/// A word w at a place p is stored as P(w ^ k) ^ (k + s), where s is the cache's secret, k = P(p ^ s), and P
/// a permutation of 64 bits that everybody knows (the finalizer of SplitMix64, each output bit of which
/// depends on every input bit): a cipher of Even and Mansour's kind, with keys for every place ("A
/// construction of a cipher from a single pseudorandom permutation", 1997). P is linear neither over bits nor
/// over integers, so no sum or difference of known words cancels the secret, as it does where a word is only
/// xored with it: an attacker who knows some words must search for s. A stored word that is overwritten, even
/// by one bit, reveals as a random one, which the check of where a link leads refuses. Each cache has its own
/// secret. This is a hardening measure, not cryptography, and costs some twenty instructions.
struct LinkKey {
  private var secret: UInt = 0

  /// Hides nothing.
  init() {}

  /// The key of a cache.
  /// - Parameters:
  ///   - secret: the boot's.
  ///   - number: the cache's.
  ///   - generation: of the caches with that number.
  init(secret: UInt, cache number: Int, generation: UInt32) {
    self.secret = Self.mix(secret ^ Self.mix(UInt(bitPattern: number) &+ UInt(generation) &<< 32 &+ 1))
  }

  /// What is stored at a place for a word.
  @inline(__always)
  func hide(_ word: UInt, at place: UInt) -> UInt {
    let key = Self.mix(place ^ secret)
    return Self.mix(word ^ key) ^ (key &+ secret)
  }

  /// The word for which this is stored at a place.
  @inline(__always)
  func reveal(_ stored: UInt, at place: UInt) -> UInt {
    let key = Self.mix(place ^ secret)
    return Self.unmix(stored ^ (key &+ secret)) ^ key
  }

  @inline(__always)
  private static func mix(_ word: UInt) -> UInt {
    var word = (word ^ word &>> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word &>> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word &>> 31
  }

  /// The inverse of `mix`: its factors are the inverses of those.
  @inline(__always)
  private static func unmix(_ word: UInt) -> UInt {
    var word = (word ^ word &>> 31 ^ word &>> 62) &* 0x3196_42b2_d24d_8ec3
    word = (word ^ word &>> 27 ^ word &>> 54) &* 0x96de_1b17_3f11_9089
    return word ^ word &>> 30 ^ word &>> 60
  }
}
