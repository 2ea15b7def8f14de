extension PageTables {
  func validate(areas: (PageRange) -> Int) -> StaticString? {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).validate(areas: areas)
    }
  }
}
