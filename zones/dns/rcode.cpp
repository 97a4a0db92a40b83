#include "zones/dns/rcode.hpp"

namespace fairlead::dns {

std::string to_string(Rcode rcode) {
  switch (rcode) {
    case Rcode::noerror: return "NOERROR";
    case Rcode::formerr: return "FORMERR";
    case Rcode::servfail: return "SERVFAIL";
    case Rcode::nxdomain: return "NXDOMAIN";
    case Rcode::notimp: return "NOTIMP";
    case Rcode::refused: return "REFUSED";
    case Rcode::yxdomain: return "YXDOMAIN";
    case Rcode::yxrrset: return "YXRRSET";
    case Rcode::nxrrset: return "NXRRSET";
    case Rcode::notauth: return "NOTAUTH";
    case Rcode::notzone: return "NOTZONE";
    case Rcode::badvers: return "BADVERS";
  }
  return "RCODE" + std::to_string(static_cast<unsigned>(rcode));
}

}  // namespace fairlead::dns
