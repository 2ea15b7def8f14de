import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What a reader of objects, live or free, learns of the secret that hides links.
@Suite struct SlabSecretTests {
  private static let secret: UInt64 = 0x9e37_79b9_7f4a_7c15
  private static let modes = [SlabHardening.hardened(secret: secret), .checked(secret: secret)]

  private func word(_ pointer: UnsafeMutableRawPointer, _ offset: Int = 0) -> UInt {
    pointer.load(fromByteOffset: offset, as: UInt.self)
  }

  /// A fresh object says nothing of the one that is handed out next.
  @Test(arguments: modes) func aFreshObjectHasNoLink(hardening: SlabHardening) throws {
    let test = try TestMachine(hardening: hardening)
    let cache = try test.manager.makeCache(
      named: "constructed", objectSize: 40,
      constructor: { object, _ in object.initializeMemory(as: UInt8.self, repeating: 7, count: 40) })
    for _ in 0..<200 {
      #expect(word(try test.manager.kmalloc(64)) == 0)
      // Behind the object: in checked mode a part of the red zone.
      #expect([0, 0xbbbb_bbbb_bbbb_bbbb].contains(word(try test.manager.allocate(from: cache), 40)))
    }
  }

  /// As `word` is for an object whose link leads nowhere.
  private func raw(
    _ test: TestMachine, _ cache: Stable<CacheBlock>, _ object: UnsafeMutableRawPointer, _ next: UInt
  ) -> UInt {
    test.manager.slab.setNext(next, after: UInt(bitPattern: object), cache)
    #expect(test.manager.slab.next(after: UInt(bitPattern: object), cache) == next)
    return word(object)
  }

  /// No difference of two words that are known cancels what is secret: neither that of two links at one
  /// place, nor that of the same link at two.
  @Test func wordsThatAreKnownTellNothingOfOthers() throws {
    let test = try TestMachine(hardening: Self.modes[0])
    let caches = [SizeClass.index(of: 64), SizeClass.index(of: 96)].map { test.manager.slab.caches[$0] }
    let objects = try (0..<40).map { _ in try test.manager.kmalloc(64) }
    let links = objects.map { UInt(bitPattern: $0) } + [0]
    var (atOnePlace, ofOneLink, acrossCaches) = (Set<UInt>(), Set<UInt>(), Set<UInt>())
    for object in objects {
      let words = links.map { raw(test, caches[0], object, $0) }
      atOnePlace.insert(words[3] ^ words[4])
      atOnePlace.insert(words[3] &- words[4])
      ofOneLink.insert(words[3] ^ UInt(bitPattern: object) ^ links[3])
      ofOneLink.insert(words[3] &- links[3])
      acrossCaches.insert(words[3] ^ raw(test, caches[1], object, links[3]))
      acrossCaches.insert(words[3] &- raw(test, caches[1], object, links[3]))
    }
    #expect(atOnePlace.count == 80)
    #expect(ofOneLink.count == 80)
    #expect(acrossCaches.count == 80)
    for object in objects { object.storeBytes(of: 0, as: UInt.self) }
  }

  /// The note of an object's size, which lies behind what is its user's, is hidden as well.
  @Test func theNoteOfTheSizeDoesNotTellTheSecret() throws {
    let test = try TestMachine(hardening: Self.modes[1])
    var words = Set<UInt>()
    for _ in 0..<40 {
      let object = try test.manager.kmalloc(56)
      words.insert(word(object, 56) ^ (UInt(bitPattern: object) + 56))
    }
    #expect(words.count == 40)
  }
}
