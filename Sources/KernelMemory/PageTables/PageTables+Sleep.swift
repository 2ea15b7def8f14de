// The entries of areas that are freed and sleep, and of those that are handed out again.

extension PageTables {
  @inline(__always)
  func suspend(_ count: UInt64, at firstEntry: UInt) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).suspend(count, at: firstEntry)
    }
  }

  func suspend(_ pages: PageRange) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).suspend(pages)
    }
  }

  @inline(__always)
  func revive(_ count: UInt64, at firstEntry: UInt) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).revive(count, at: firstEntry)
    }
  }

  func revive(_ pages: PageRange) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).revive(pages)
    }
  }
}
