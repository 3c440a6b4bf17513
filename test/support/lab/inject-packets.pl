# Puts IP packets on a device without a link layer (TUN), whatever is wrong with them.
#
#     perl inject-packets.pl INTERFACE_INDEX     a packet in hexadecimal on each line of stdin
use strict;
use warnings;

use constant { AF_PACKET => 17, SOCK_RAW => 3, ETHERTYPE_IPV4 => 0x0800, ETHERTYPE_IPV6 => 0x86dd };

my ($interface) = @ARGV;
socket(my $socket, AF_PACKET, SOCK_RAW, 0) or die "socket: $!\n";
while (my $line = <STDIN>) {
    chomp $line;
    my $packet = pack "H*", $line;
    my $type = ord($packet) >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
    # packet(7): family, protocol, interface, and of the link layer nothing.
    send $socket, $packet, 0, pack("S n i S C C a8", AF_PACKET, $type, $interface, 0, 0, 0, "") or die "send: $!\n";
}
