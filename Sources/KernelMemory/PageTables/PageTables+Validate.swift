extension PageTables {
  /// What is quarantined becomes present or zero under the lock alone, so that it becomes one of them.
  func assertLocked() { assert(shared.value.lock.isHeld, "tables are changed without their lock") }

  func validate(areas: (PageRange) -> Int) -> StaticString? {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).validate(areas: areas)
    }
  }
}
