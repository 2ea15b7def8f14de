/// How large the leaves of an area may be. A large leaf maps as many pages as a lowest table does, 2 MiB with
/// pages of 4 KiB, by one entry: it takes one block of frames, and the CPU remembers it as one translation.
/// Where the architecture has such, it may remember a group of base leaves so, too: with AArch64's contiguous
/// bit 64 KiB with pages of 4 KiB, 2 MiB with larger ones; with RISC-V's Svnapot 64 KiB.
@frozen
public enum LeafPolicy: UInt8, Sendable {
  /// Large ones for every whole 2 MiB that a block of frames is to be had for, from the start of the area on,
  /// which then begins at a multiple of that; base ones for the rest, in groups where they can be.
  case largeWherePossible
  /// Each page has an entry of its own, and is in no group, so that a part of the area can be given back or
  /// protected alone.
  case base
}
